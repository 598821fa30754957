/** Means, quantiles and deviations of numbers; NaN of none. */

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
