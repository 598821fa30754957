/** Rates from measured times: of a sum of work × rate, the rates that no time is predicted far from. */
import { workKinds, type Rates, type Work } from './costModel.js';

export interface TimedWork {
  readonly work: Work;
  readonly seconds: number;
}

/**
 * Least squares of the relative errors, Σ (Σ_j work_ij · rate_j / seconds_i − 1)², over rates that are not negative: by
 * coordinate descent, where each rate in turn takes its best value, which converges since the sum is convex.
 */
export function fitRates(timings: readonly TimedWork[]): Rates {
  // Per timing, so that every error is relative.
  const rows = timings.map(({ work, seconds }) => workKinds.map((kind) => (work[kind] ?? 0) / seconds));
  // Columns are scaled to length 1.
  const lengths = workKinds.map((_, j) => Math.hypot(...rows.map((row) => row[j]!)) || 1);
  const columns = workKinds.map((_, j) => rows.map((row) => row[j]! / lengths[j]!));
  const scaled = workKinds.map(() => 0);
  const missing = rows.map(() => 1);
  for (let sweep = 0; sweep < mostSweeps; sweep++) {
    let change = 0;
    for (const [j, column] of columns.entries()) {
      const slope = column.reduce((sum, value, i) => sum + value * missing[i]!, 0);
      const step = Math.max(slope, -scaled[j]!);
      if (!column.some((value) => value > 0)) continue;
      scaled[j]! += step;
      for (const [i, value] of column.entries()) missing[i]! -= value * step;
      change = Math.max(change, Math.abs(step));
    }
    if (change < smallestStep) break;
  }
  return Object.fromEntries(workKinds.map((kind, j) => [kind, scaled[j]! / lengths[j]!])) as Rates;
}

const mostSweeps = 100_000;
const smallestStep = 1e-9;
