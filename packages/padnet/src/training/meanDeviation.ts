/** What several seeds give together. */
import { mean } from '../statistics.js';

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
