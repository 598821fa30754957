/**
 * Recipes as commands take them: from a file, fit to be resumed, and checked against a run or network that is there.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { InputError } from '../errors.js';
import type { CodeOptions } from '../ownCode/index.js';
import {
  parseRecipe,
  parseRunRecipe,
  pinCode,
  type Modality,
  type Recipe,
  type RecipeOf,
  type RecipeOverride,
  serialiseRecipe,
} from '../recipe/index.js';
import { readRunRecipe, sampleNames } from '../runs/index.js';
import { maxSettingsBytes, readInput } from '../readRegularFile.js';
import { printable } from '../printable.js';
import { checkText } from '../text.js';
import type { Terminal } from './terminal.js';
import { UsageError } from './usage.js';

/**
 * A recipe's file with what overrides it, to be trained.
 *
 * @param terminal where it is told that a value has another name now
 * @throws InputError where there is no such file, RecipeError where it is wrong
 */
export function readRecipe(file: string, overrides: readonly (string | RecipeOverride)[], terminal: Terminal): Recipe {
  const onRemark = (text: string): void => {
    terminal.remarkOnce(`padnet: ${printable(text)}`);
  };
  return withAbsolutePaths(parseRecipe(readYaml(file, 'a recipe'), file, overrides, { onRemark }));
}

/** The same to train by: with the checksums of code of one's own. @throws also as `pinCode` */
export function readTrainingRecipe(
  file: string,
  overrides: readonly (string | RecipeOverride)[],
  { terminal, ...code }: CodeOptions & { readonly terminal: Terminal },
): Recipe {
  return pinCode(readRecipe(file, overrides, terminal), code);
}

/** The same for its data alone: it may be one that cannot be trained. @throws InputError where a program wrote it */
export function readDataRecipe(file: string, overrides: readonly (string | RecipeOverride)[]): Recipe {
  const recipe = parseRunRecipe(readYaml(file, 'a recipe'), file, overrides);
  if (recipe.modality === 'program') throw new InputError(`${file} was written by a program and names no data`);
  return withAbsolutePaths(recipe);
}

/**
 * A recipe on whose data a network is used.
 *
 * @param run names the network.
 * @throws UsageError where it takes other data
 */
export function recipeFor<M extends Modality>(modality: M, recipe: Recipe, run: string): RecipeOf<M> {
  if (recipe.modality === modality) return recipe as RecipeOf<M>;
  throw new UsageError(
    `${run} has a network for ${sampleNames[modality]}, the recipe is for ${sampleNames[recipe.modality]}`,
  );
}

/** As `storedRecipeText` gives it for a run of the recipe: parsed once more, so that keys are in the same order. */
export function recipeText(recipe: Recipe): string {
  return serialiseRecipe(parseRecipe(serialiseRecipe(recipe), 'recipe.yaml'));
}

/** @throws InputError where the run's recipe is missing or damaged */
export function storedRecipeText(run: string): string {
  return serialiseRecipe(readRunRecipe(run));
}

/** @throws InputError naming the first line in which the run's own recipe is another */
export function checkSameRecipe(recipe: Recipe, run: string): void {
  const stored = storedRecipeText(run).trimEnd().split('\n');
  const wanted = recipeText(recipe).trimEnd().split('\n');
  const longer = wanted.length > stored.length ? wanted : stored;
  const line = longer.findIndex((_, index) => wanted[index] !== stored[index]);
  if (line === -1) return;
  const text = (lines: readonly string[]): string => lines[line]?.trim() ?? 'nothing more';
  throw new InputError(
    `${run} was started with another recipe (there \`${text(stored)}\`, here \`${text(wanted)}\`); go on with its ` +
      `own by \`padnet train --resume ${run}\`, or choose another folder with --out`,
  );
}

/** Keys of files and folders that a run is trained from. */
const pathKeys = [
  ['model', 'pretrained'],
  ['data', 'path'],
  ['data', 'train'],
  ['data', 'test'],
  ['partition', 'masks'],
] as const;

/** So that the run can be resumed and evaluated from any working folder. */
function withAbsolutePaths(recipe: Recipe): Recipe {
  const absolute = structuredClone(recipe);
  for (const [name, key] of pathKeys) {
    const section: Partial<Record<typeof key, string | undefined>> = absolute[name] ?? {};
    const { [key]: path } = section;
    // A model that is not there may be one on the hub.
    if (path !== undefined && (key !== 'pretrained' || existsSync(path))) section[key] = resolve(path);
  }
  return absolute;
}

/** @param expected what it should be, for messages. @throws InputError where it cannot be read, or is no text */
export function readYaml(file: string, expected: string): string {
  return checkText(readInput(file, { expected, maxBytes: maxSettingsBytes }), file).toString('utf8');
}
