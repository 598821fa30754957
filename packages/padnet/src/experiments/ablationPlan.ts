/** The recipes that an ablation trains: each once, whatever sweeps it is a part of. */
import { createHash } from 'node:crypto';
import { dirname, isAbsolute, relative } from 'node:path';
import { yaml } from '../recipe/yaml.js';
import { InputError } from '../errors.js';
import { isCodeReference, parseCodeReference } from '../ownCode/codeReference.js';
import { ABLATION_BASE, type Ablation, type AblationKey, type AblationValue } from './ablation.js';
import { RecipeError, type RecipeOverride } from '../recipe/loadRecipe.js';
import type { Recipe } from '../recipe/recipe.js';
import { recipeSettings } from '../recipe/recipeSettings.js';
import type { MatrixRun } from './matrix.js';

/** A recipe that is trained once for each seed. */
export interface AblationVariant {
  /**
   * `base`, the name of a reference, or what differs from the base, such as `partition.ratio=0.1`; fit for a folder.
   */
  readonly name: string;
  readonly recipe: Recipe;
}

export interface PlannedPoint {
  /** One for each key of the sweep, as text. */
  readonly values: readonly string[];
  /** Name of the variant that has them. */
  readonly variant: string;
}

export interface PlannedSweep {
  readonly keys: readonly string[];
  readonly points: readonly PlannedPoint[];
}

export interface AblationPlan {
  readonly seeds: readonly number[];
  /** The base first. */
  readonly variants: readonly AblationVariant[];
  readonly references: readonly { readonly name: string; readonly variant: string }[];
  readonly sweeps: readonly PlannedSweep[];
}

/**
 * @param read a recipe's file with overrides
 * @throws InputError with every key and value that the recipe does not take, at their lines
 */
export function planAblation(
  { file, recipe, seeds, references, sweeps }: Ablation,
  read: (file: string, overrides: readonly RecipeOverride[]) => Recipe,
): AblationPlan {
  const base = read(recipe, []);
  const variants = variantsOf(base, dirname(file));
  const plannedReferences: AblationPlan['references'][number][] = [];
  for (const reference of references) {
    const own = read(reference.file, []);
    if (taskOf(own) !== taskOf(base))
      throw new InputError(`${reference.file}: expected a recipe of the same task as ${recipe} (${taskOf(base)})`);
    plannedReferences.push({ name: reference.name, variant: variants.add(own, reference.name) });
  }
  const problems = new Set<string>();
  const plannedSweeps: PlannedSweep[] = [];
  for (const { keys } of sweeps) {
    const points: PlannedPoint[] = [];
    for (const settings of grid(keys)) {
      const overrides = settings.map(({ key, value, line }) => ({
        key,
        value: yamlValue(value),
        label: `${file}:${line}`,
        folder: dirname(file),
      }));
      try {
        const variant = variants.add(read(recipe, overrides));
        const values = settings.map(({ value }) => valueText(value));
        const same = points.find((point) => point.variant === variant);
        if (same) problems.add(sameRecipe(file, settings, same));
        points.push({ values, variant });
      } catch (error) {
        if (!(error instanceof RecipeError)) throw error;
        for (const { message } of error.problems) problems.add(blamed(message, file, settings));
      }
    }
    plannedSweeps.push({ keys: keys.map(({ key }) => key), points });
  }
  if (problems.size > 0) throw new InputError([...problems]);
  return { seeds, variants: variants.all(), references: plannedReferences, sweeps: plannedSweeps };
}

export interface AblationCell {
  readonly variant: string;
  readonly seed: number;
}

/**
 * Seed by seed, the base first, so that a table that is not full yet compares variants on the same seeds. Each run's
 * folder is named as in `partition.ratio=0.1-seed1`.
 */
export function ablationRuns({ seeds, variants }: AblationPlan): MatrixRun<AblationCell>[] {
  return seeds.flatMap((seed) =>
    variants.map(({ name: variant, recipe }) => ({
      name: `${variant}-seed${seed}`,
      cell: { variant, seed },
      recipe: withSeed(recipe, seed),
    })),
  );
}

function withSeed<R extends Recipe>(recipe: R, seed: number): R {
  return { ...recipe, training: { ...recipe.training, seed } };
}

/**
 * Recipes that are the same are one, whichever way they came about.
 *
 * @param folder that paths are named from: a run has the same name wherever its project lies
 */
function variantsOf(base: Recipe, folder: string) {
  const ofBase = recipeSettings(base);
  /** By what differs from the base, such as `partition.ratio=0.1,partition.scope=local`. */
  const byDifference = new Map<string, AblationVariant>();
  /** @returns the variant's name: `name` where the recipe is a new one, and where none is given the difference */
  const add = (recipe: Recipe, name?: string): string => {
    const own = recipeSettings(recipe);
    const difference = [...new Set([...ofBase.keys(), ...own.keys()])]
      .filter((key) => key !== 'training.seed' && own.get(key) !== ofBase.get(key))
      .map((key) => `${key}=${fromFolder(own.get(key) ?? 'null', folder)}`)
      .join(',');
    const variant = byDifference.get(difference) ?? { name: folderName(name ?? difference), recipe };
    byDifference.set(difference, variant);
    return variant.name;
  };
  add(base, ABLATION_BASE);
  return { add, all: () => [...byDifference.values()] };
}

/** Without a checksum: a run keeps its name where code has changed, and is then refused by its recipe. */
function fromFolder(text: string, folder: string): string {
  const value = isCodeReference(text) ? parseCodeReference(text).file : text;
  return isAbsolute(value) ? relative(folder, value) || '.' : value;
}

/** As it is where any file system takes it; else its beginning and a checksum of the whole. */
function folderName(text: string): string {
  if (/^[\w.,=+-]{1,120}$/.test(text)) return text;
  const checksum = createHash('sha256').update(text).digest('hex').slice(0, 8);
  return `${text.slice(0, 80).replaceAll(/[^\w.,=+-]+/g, '_')}-${checksum}`;
}

type Setting = AblationValue & { readonly key: string };

/** The values of the first key, with each those of the second. */
function grid(keys: readonly AblationKey[]): Setting[][] {
  return keys.reduce<Setting[][]>(
    (rows, { key, values }) => rows.flatMap((row) => values.map((value) => [...row, { key, ...value }])),
    [[]],
  );
}

function valueText(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : JSON.stringify(value);
}

/** On one line; numbers that JSON has not come back as they are, and are refused as such. */
function yamlValue(value: unknown): string {
  const flow = {
    collectionStyle: 'flow',
    defaultStringType: 'QUOTE_DOUBLE',
    defaultKeyType: 'PLAIN',
    lineWidth: 0,
  } as const;
  return yaml().stringify(value, flow).trimEnd();
}

function sameRecipe(file: string, settings: readonly Setting[], { values }: PlannedPoint): string {
  return `${file}:${settings.at(-1)!.line}: ${settingsText(settings)} is the same recipe as ${values.join(', ')} above`;
}

/** A problem that is not with a value itself is with what the value makes of the recipe. */
function blamed(message: string, file: string, settings: readonly Setting[]): string {
  if (settings.some(({ line }) => message.startsWith(`${file}:${line}: `))) return message;
  return `${file}:${settings.at(-1)!.line}: with ${settingsText(settings)}: ${message}`;
}

function settingsText(settings: readonly Setting[]): string {
  return settings.map(({ key, value }) => `${key}=${valueText(value)}`).join(', ');
}

function taskOf({ modality, data }: Recipe): string {
  return modality === 'text' && data.name === 'glue' ? data.task : data.name;
}
