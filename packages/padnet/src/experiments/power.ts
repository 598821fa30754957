/**
 * How large a difference must be for so many seeds to show it: the power of the paired t test. Effects are mean
 * differences over their standard deviation from seed to seed (Cohen 1988, d_z).
 */
import jStat from 'jstat';
import { type PairedDifference, SIGNIFICANCE } from './pairedDifference.js';

/** How often a difference is to be seen that is there. */
export const POWER = 0.8;

/** More seeds than anybody trains. */
const mostSeeds = 10_000;

/**
 * How often the two-sided test of n differences sees an effect d. t = √n · mean / deviation is noncentral t with
 * ν = n − 1 degrees of freedom and noncentrality d√n: (Z + d√n) / √(χ²_ν / ν) with a standard normal Z. So
 *
 *     P(|t| > c) = E[F(ν (Z + d√n)² / c²)],  c = t_ν at 1 − α/2, F the distribution function of χ²_ν
 *
 * by the trapezoid rule over Z (Johnson, Kotz and Balakrishnan 1995, chapter 31; as R's `power.t.test`, strict).
 *
 * @param seeds n ≥ 2
 * @param alpha how often it sees one where there is none
 */
export function powerOf(effect: number, seeds: number, alpha = SIGNIFICANCE): number {
  const freedom = seeds - 1;
  const critical = jStat.studentt.inv(1 - alpha / 2, freedom);
  const shift = effect * Math.sqrt(seeds);
  let sum = 0;
  for (let z = -8; z <= 8; z += zStep)
    sum += Math.exp(-(z ** 2) / 2) * jStat.chisquare.cdf(freedom * ((z + shift) / critical) ** 2, freedom);
  return (zStep * sum) / Math.sqrt(2 * Math.PI);
}

/** A power of two: sums of it are exact. */
const zStep = 1 / 64;

/** The smallest effect that n seeds show with 80 % power; null of a single seed, which shows none. */
export function smallestEffect(seeds: number, alpha = SIGNIFICANCE): number | null {
  if (seeds < 2) return null;
  let [low, high] = [0, 1];
  while (powerOf(high, seeds, alpha) < POWER) [low, high] = [high, 2 * high];
  while (high - low > 1e-6 * high) {
    const middle = (low + high) / 2;
    if (powerOf(middle, seeds, alpha) < POWER) low = middle;
    else high = middle;
  }
  return high;
}

/** The fewest seeds that show an effect with 80 % power; null: more than 10,000. */
export function neededSeeds(effect: number, alpha = SIGNIFICANCE): number | null {
  const isEnough = (seeds: number): boolean => powerOf(effect, seeds, alpha) >= POWER;
  let [low, high] = [1, 2];
  while (!isEnough(high)) {
    if (high === mostSeeds) return null;
    [low, high] = [high, Math.min(2 * high, mostSeeds)];
  }
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (isEnough(middle)) high = middle;
    else low = middle;
  }
  return high;
}

export interface PooledDeviation {
  /** The standard deviation of a difference from seed to seed. */
  readonly deviation: number;
  /** The differences that it is measured on. */
  readonly differences: number;
  /** Degrees of freedom: the sum of n − 1. */
  readonly freedom: number;
}

/** √(Σ (n − 1) s² / Σ (n − 1)); null where none has two seeds, or nothing deviates. */
export function pooledDeviation(differences: readonly PairedDifference[]): PooledDeviation | null {
  const known = differences.flatMap(({ deviation, count }) =>
    deviation === null ? [] : [{ freedom: count - 1, squares: (count - 1) * deviation ** 2 }],
  );
  const freedom = known.reduce((sum, each) => sum + each.freedom, 0);
  const squares = known.reduce((sum, each) => sum + each.squares, 0);
  if (squares === 0) return null;
  return { deviation: Math.sqrt(squares / freedom), differences: known.length, freedom };
}
