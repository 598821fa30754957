/**
 * Differences between scores of the same seeds: Student's interval and test of their mean, and Holm's correction where
 * several are read together.
 */
import jStat from 'jstat';
import { meanDeviation, type MeanDeviation } from '../statistics.js';

/** How often a test finds a difference where there is none, and a 95 % interval misses the mean. */
export const SIGNIFICANCE = 0.05;

/** Values by seed. */
export type BySeed = ReadonlyMap<number, number>;

/** The mean difference over seeds. */
export interface PairedDifference extends MeanDeviation {
  /** Student's 95 % interval of the mean, of this difference alone; null of a single seed. */
  readonly interval: readonly [low: number, high: number] | null;
  /** Two-sided, of Student's t test that the mean is 0, of this difference alone; null of a single seed. */
  readonly p: number | null;
  /** The same, corrected over all differences that are read together with this one. */
  readonly correctedP: number | null;
}

/** How much more than others values are, seed by seed. */
export function differenceBySeed(values: BySeed, than: BySeed): BySeed {
  const both = [...values].filter(([seed]) => than.has(seed));
  return new Map(both.map(([seed, value]) => [seed, value - than.get(seed)!]));
}

/** Over the seeds that both have, and corrected for nothing yet; null where there are none. */
export function pairedDifference(values: BySeed, than: BySeed): PairedDifference | null {
  const summary = meanDeviation([...differenceBySeed(values, than).values()]);
  if (!summary) return null;
  const { mean, deviation, count } = summary;
  if (deviation === null) return { ...summary, interval: null, p: null, correctedP: null };
  const error = deviation / Math.sqrt(count);
  const half = jStat.studentt.inv(1 - SIGNIFICANCE / 2, count - 1) * error;
  const p = error === 0 ? Number(mean === 0) : 2 * jStat.studentt.cdf(-Math.abs(mean) / error, count - 1);
  return { ...summary, interval: [mean - half, mean + half], p, correctedP: p };
}

/**
 * Differences that are read together, each with the p value that Holm's correction (1979) gives it: of m in ascending
 * order the i-th is max over j ≤ i of min(1, (m − j + 1)·p_j). Where all p values of at most 5 % are taken for
 * differences, one that is none is among them in at most 5 % of such families. Those without a p value do not count.
 */
export function holmCorrected(family: readonly (PairedDifference | null)[]): (PairedDifference | null)[] {
  const tested = family.flatMap((each) => (each?.p == null ? [] : [{ each, p: each.p }]));
  let largest = 0;
  const corrected = new Map(
    tested
      .sort((a, b) => a.p - b.p)
      .map(({ each, p }, rank) => {
        largest = Math.max(largest, Math.min(1, (tested.length - rank) * p));
        return [each, largest] as const;
      }),
  );
  return family.map((each) => each && { ...each, correctedP: corrected.get(each) ?? null });
}

/** Whether a difference holds after the correction; null where one seed tells nothing. */
export function holds({ correctedP }: PairedDifference): boolean | null {
  return correctedP === null ? null : correctedP <= SIGNIFICANCE;
}

/** Whether the 95 % interval excludes 0, before any correction; null where one seed tells nothing. */
export function excludesZero({ p }: PairedDifference): boolean | null {
  return p === null ? null : p <= SIGNIFICANCE;
}

/** What an interval says of a difference that would count, to either side. */
export type AgainstDifference = 'smaller' | 'larger' | 'open';

/**
 * `smaller`: the 95 % interval excludes that the mean is as far from 0 as `size`; `larger`: that it is nearer; null
 * where one seed tells nothing.
 */
export function against(size: number, { interval }: PairedDifference): AgainstDifference | null {
  if (interval === null) return null;
  const [low, high] = interval;
  if (-size < low && high < size) return 'smaller';
  return low >= size || high <= -size ? 'larger' : 'open';
}
