/**
 * The numbers of an ablation: mean and deviation of every recipe over seeds, and how far it is from the base on the
 * same seeds.
 */
import { meanDeviation } from '../statistics.js';
import { ABLATION_BASE } from './ablation.js';
import type { AblationCell, AblationPlan } from './ablationPlan.js';
import { type FinishedRun, type MatrixResults, scoresBySeed, seedScores, type SeedScores } from './matrix.js';
import { holmCorrected, pairedDifference, type PairedDifference } from './pairedDifference.js';

export type AblationRun = AblationCell & FinishedRun;

export interface AblationResults extends MatrixResults<AblationCell> {
  readonly plan: AblationPlan;
}

export interface AblationRow extends SeedScores {
  /** Name of the recipe. */
  readonly variant: string;
  /** The scores of the seeds that have finished, fractions. */
  readonly scores: readonly { readonly seed: number; readonly score: number }[];
  /**
   * To the base, over the seeds that both have finished, corrected over the rows of the table; null where there are
   * none, and of the base itself.
   */
  readonly difference: PairedDifference | null;
  /** Means over the seeds; null where there are none, and of times where no step was timed. */
  readonly parameters: number | null;
  readonly dynamicRatio: number | null;
  readonly stepSeconds: number | null;
}

export interface AblationPointRow extends AblationRow {
  /** One for each key of the sweep. */
  readonly values: readonly string[];
}

export interface AblationTable {
  /** The metric of the task; null where no run has finished. */
  readonly metric: string | null;
  readonly base: AblationRow;
  readonly references: readonly (AblationRow & { readonly name: string })[];
  readonly sweeps: readonly { readonly keys: readonly string[]; readonly rows: readonly AblationPointRow[] }[];
}

export function ablationTable({ plan, runs, failed }: AblationResults): AblationTable {
  const scoresOf = (variant: string) => scoresBySeed(runs.filter((run) => run.variant === variant));
  const row = (variant: string): AblationRow => {
    const own = runs.filter((run) => run.variant === variant);
    const meanOf = (value: (run: AblationRun) => number | null): number | null =>
      meanDeviation(own.map(value).filter((each) => each !== null))?.mean ?? null;
    return {
      variant,
      scores: own.map(({ seed, score }) => ({ seed, score })),
      ...seedScores(
        scoresOf(variant),
        failed.filter((run) => run.variant === variant),
      ),
      difference: variant === ABLATION_BASE ? null : pairedDifference(scoresOf(variant), scoresOf(ABLATION_BASE)),
      parameters: meanOf(({ parameters }) => parameters),
      dynamicRatio: meanOf(({ dynamicRatio }) => dynamicRatio),
      stepSeconds: meanOf(({ stepSeconds }) => stepSeconds),
    };
  };
  return {
    metric: runs[0]?.metric ?? null,
    base: row(ABLATION_BASE),
    references: corrected(plan.references.map(({ name, variant }) => ({ name, ...row(variant) }))),
    sweeps: plan.sweeps.map(({ keys, points }) => ({
      keys,
      rows: corrected(points.map(({ values, variant }) => ({ values, ...row(variant) }))),
    })),
  };
}

/** The rows of a table, corrected over all of them. */
function corrected<Row extends AblationRow>(rows: readonly Row[]): Row[] {
  const differences = holmCorrected(rows.map(({ difference }) => difference));
  return rows.map((row, index) => ({ ...row, difference: differences[index]! }));
}
