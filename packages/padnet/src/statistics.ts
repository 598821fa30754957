/** Means, quantiles, deviations and intervals of numbers; NaN of none. */

export function mean(values: readonly number[] | Float32Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/** The middle value, or the mean of the middle two. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Linear between neighbours. */
export function quantile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  if (sorted.length === 0) return NaN;
  const position = fraction * (sorted.length - 1);
  const below = sorted[Math.floor(position)]!;
  return below + (sorted[Math.ceil(position)]! - below) * (position % 1);
}

export interface MeanDeviation {
  readonly mean: number;
  /** Standard deviation of the sample (n − 1); null of a single value. */
  readonly deviation: number | null;
  /** n */
  readonly count: number;
}

/** Null of no values. */
export function meanDeviation(values: readonly number[]): MeanDeviation | null {
  const count = values.length;
  if (count === 0) return null;
  const centre = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  return { mean: centre, deviation: count === 1 ? null : Math.sqrt(squares / (count - 1)), count };
}

export interface MeanInterval extends MeanDeviation {
  /** Student's 95 % interval of the mean; null of a single value. */
  readonly interval: readonly [low: number, high: number] | null;
}

/** Null of no values. */
export function meanInterval(values: readonly number[]): MeanInterval | null {
  const summary = meanDeviation(values);
  if (!summary) return null;
  const { mean: centre, deviation, count } = summary;
  if (deviation === null) return { ...summary, interval: null };
  const half = (studentQuantile(count - 1) * deviation) / Math.sqrt(count);
  return { ...summary, interval: [centre - half, centre + half] };
}

/** Student's t at 97.5 % for 1, 2, … degrees of freedom. */
const studentQuantiles = [12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157];

/**
 * For more degrees of freedom by the expansion around the normal quantile (Abramowitz and Stegun 26.7.5), within
 * 0.0002.
 */
function studentQuantile(freedom: number): number {
  const z = 1.959964;
  const terms = [
    z,
    (z ** 3 + z) / 4,
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96,
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384,
  ];
  return studentQuantiles[freedom - 1] ?? terms.reduce((sum, term, power) => sum + term / freedom ** power, 0);
}
