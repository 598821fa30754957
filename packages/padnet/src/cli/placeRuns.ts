/** Which folders the runs of a matrix have. */
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import type { MatrixRun } from '../experiments/index.js';
import type { Recipe } from '../recipe/index.js';
import { RunFolder, runState } from '../runs/index.js';
import { recipeText, storedRecipeText } from './runRecipe.js';
import { isThere } from '../readRegularFile.js';

/** A run with its folder. */
export type PlacedRun<Cell = unknown, R extends Recipe = Recipe> = MatrixRun<Cell, R> & {
  readonly folder: RunFolder;
  /** Whether the folder has another name, so that nothing but the matrix says that it is its own. */
  readonly isFound: boolean;
};

/**
 * Each run in the folder of its name, or where one of its recipe has finished already, whatever that is called: it may
 * have been an arm of another name, a point of a sweep, or a try. Where the folder of its name has become another's,
 * beside it.
 *
 * @param out the folder of the matrix
 * @param within folders in it that have runs too
 * @param taken folders of other runs
 */
export function placeRuns<Cell, R extends Recipe>(
  runs: readonly MatrixRun<Cell, R>[],
  out: string,
  { within, taken }: { readonly within: readonly string[]; readonly taken: readonly string[] },
): PlacedRun<Cell, R>[] {
  const others = new Set(taken.map(known));
  const wanted = runs.map((run) => {
    const [named, recipe] = [join(out, run.name), recipeText(run.recipe)];
    return { run, named, recipe, isHere: !others.has(known(named)) && storedText(named) === recipe };
  });
  const elsewhere = wanted.every(({ isHere }) => isHere) ? new Map<string, string>() : finishedRuns([out, ...within]);
  const found = wanted.map(({ isHere, named, recipe }) => {
    if (isHere) return named;
    const other = elsewhere.get(recipe);
    return other !== undefined && !others.has(known(other)) ? other : null;
  });
  const used = new Set([...others, ...found.flatMap((path) => (path === null ? [] : known(path)))]);
  return wanted.map(({ run, named, recipe, isHere }, index) => {
    const unused = used.has(known(named)) ? `${named}-${checksum(recipe)}` : named;
    const path = found[index] ?? unused;
    return { ...run, folder: new RunFolder(path), isFound: !isHere && path !== unused };
  });
}

/** As a file system sees a path that does not tell cases apart. */
function known(path: string): string {
  return path.toLowerCase();
}

/** The runs in folders that have finished, by recipe: of several alike the first. */
function finishedRuns(folders: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const path of folders.flatMap(foldersIn)) {
    const recipe = storedText(path);
    if (recipe !== null && !found.has(recipe) && isFinished(path)) found.set(recipe, path);
  }
  return found;
}

/** None where the folder is not there or cannot be read: nothing is taken from it. */
function foldersIn(folder: string): string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return entries.map(({ name }) => join(folder, name)).sort();
  } catch {
    return [];
  }
}

/** Null where there is no run, or its recipe cannot be read: whoever wants that very folder is told. */
function storedText(path: string): string | null {
  return unlessDamaged(() => (isThere(new RunFolder(path).metrics) ? storedRecipeText(path) : null));
}

function isFinished(path: string): boolean {
  return unlessDamaged(() => runState(new RunFolder(path))) === 'finished';
}

function unlessDamaged<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof InputError) return null;
    throw error;
  }
}

function checksum(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}
