/** Whether a difference between two networks is more than their seeds differ by. */
import type { MeanDeviation } from '../statistics.js';

/** Whether seeds agree: a mean difference larger than its standard deviation over them. Null where one seed tells nothing. */
export function isBeyondSpread({ mean: difference, deviation }: MeanDeviation): boolean | null {
  return deviation === null ? null : Math.abs(difference) > deviation;
}

/**
 * In percent by number of seeds n, how often the mean of n normal differences around 0 is larger than their deviation: Student's
 * t with n − 1 degrees of freedom beyond √n.
 */
export const chanceBeyondSpread: Readonly<Record<number, number | undefined>> = { 2: 39, 3: 23, 4: 14, 5: 9 };

/** What the differences of a table are, and its `*`. @param seeds how many */
export function spreadNote(seeds: number): string {
  const chance = chanceBeyondSpread[seeds];
  return (
    'Differences are of the same seeds, mean ± standard deviation; * where the mean is larger than the deviation' +
    (chance === undefined ? '.' : `, as it is by chance in ${chance} % of cells where two networks are equal.`)
  );
}
