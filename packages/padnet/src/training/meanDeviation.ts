/** What several seeds give together. */
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
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: count === 1 ? null : Math.sqrt(squares / (count - 1)), count };
}
