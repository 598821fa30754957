/** Which samples are trained on and which are tested on, where the data do not say so themselves. */
import { createHash } from 'node:crypto';

/** Plain data: a run writes it down, so that it is resumed and evaluated on the same samples. */
export interface DataSplit {
  /** Share of each class that is tested on. */
  readonly testFraction: number;
  readonly seed: number;
  /** Names of samples: of pictures, their paths below the folder. */
  readonly train: readonly string[];
  readonly test: readonly string[];
}

export interface SplitOptions {
  readonly testFraction: number;
  readonly seed: number;
}

/**
 * Divides every class by itself: of n samples round(testFraction · n) are tested on, one at least and all but one at
 * most. Each is decided by a hash of its name and the seed alone, so that neither the order of the samples nor that of
 * the file system matters, and samples that are added later move few others.
 *
 * @param classes names of samples by class, each of them of two or more
 */
export function stratifiedSplit(
  classes: readonly (readonly string[])[],
  { testFraction, seed }: SplitOptions,
): DataSplit {
  const train: string[] = [];
  const test: string[] = [];
  for (const names of classes) {
    const count = Math.max(1, Math.min(names.length - 1, Math.round(testFraction * names.length)));
    const ranked = names.map((name) => ({ name, rank: rankOf(name, seed) })).sort((a, b) => (a.rank < b.rank ? -1 : 1));
    const tested = new Set(ranked.slice(0, count).map(({ name }) => name));
    for (const name of names) (tested.has(name) ? test : train).push(name);
  }
  return { testFraction, seed, train, test };
}

function rankOf(name: string, seed: number): string {
  return createHash('sha256')
    .update(`${seed}\n${name.normalize('NFC')}`)
    .digest('hex');
}
