/** Which folders the runs of a matrix have. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import type { MatrixRun } from '../experiments/index.js';
import type { Recipe } from '../recipe/index.js';
import { RunFolder, runState } from '../runs/index.js';
import { recipeText, storedRecipeText } from './runRecipe.js';
import { isThere } from '../readRegularFile.js';

/** A run with its folder. */
export type PlacedRun<Cell = unknown, R extends Recipe = Recipe> = MatrixRun<Cell, R> & { readonly folder: RunFolder };

/**
 * Each run where one of its recipe is already, whatever that is called: it may have been an arm of another name, a
 * point of a sweep, or a try. Else in the folder of its name; where that has become another's, beside it.
 *
 * @param out the folder of the matrix
 * @param taken folders of other runs
 */
export function placeRuns<Cell, R extends Recipe>(
  runs: readonly MatrixRun<Cell, R>[],
  out: string,
  taken: ReadonlySet<string>,
): PlacedRun<Cell, R>[] {
  const wanted = runs.map((run) => {
    const [named, recipe] = [join(out, run.name), recipeText(run.recipe)];
    return { run, named, recipe, isThere: !taken.has(named) && storedText(named) === recipe };
  });
  const elsewhere = wanted.every((each) => each.isThere) ? new Map<string, string>() : foldersByRecipe(out, taken);
  const found = wanted.map((each) => (each.isThere ? each.named : elsewhere.get(each.recipe)));
  const used = new Set([...taken, ...found]);
  return wanted.map(({ run, named, recipe }, index) => {
    const unused = used.has(named) ? `${named}-${checksum(recipe)}` : named;
    return { ...run, folder: new RunFolder(found[index] ?? unused) };
  });
}

/** The folders of runs in a folder and in those that it has, by their recipe: of several alike a finished one. */
function foldersByRecipe(out: string, taken: ReadonlySet<string>): Map<string, string> {
  const found = new Map<string, string>();
  const finished = new Map<string, string>();
  for (const path of foldersIn(out).flatMap((folder) => [folder, ...foldersIn(folder)])) {
    if (taken.has(path)) continue;
    const recipe = storedText(path);
    if (recipe === null) continue;
    if (!found.has(recipe)) found.set(recipe, path);
    if (!finished.has(recipe) && isFinished(path)) finished.set(recipe, path);
  }
  return new Map([...found, ...finished]);
}

function foldersIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return entries.map(({ name }) => join(folder, name)).sort();
}

/** Null where there is no run, or its recipe cannot be read: whoever wants that very folder is told. */
function storedText(path: string): string | null {
  if (!isThere(new RunFolder(path).metrics)) return null;
  try {
    return storedRecipeText(path);
  } catch (error) {
    if (error instanceof InputError) return null;
    throw error;
  }
}

function isFinished(path: string): boolean {
  try {
    return runState(new RunFolder(path)) === 'finished';
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}

function checksum(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}
