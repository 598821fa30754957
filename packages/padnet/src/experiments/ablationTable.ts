/**
 * The numbers of an ablation: of every recipe mean and deviation over seeds, and how far it is from the base on the same seeds.
 */
import { countStored } from '../layers/index.js';
import type { CodeOptions } from '../ownCode/index.js';
import { loadRunModel, type RunFolder } from '../runs/index.js';
import { meanDeviation, type MeanDeviation } from '../statistics.js';
import { ABLATION_BASE } from './ablation.js';
import type { AblationCell, AblationPlan } from './ablationPlan.js';
import { readFinishedRun, type FinishedRun } from './finishedRun.js';

export interface AblationRun extends AblationCell, FinishedRun {
  /** Trained numbers in the compact form. */
  readonly parameters: number;
}

export interface FailedAblationRun extends AblationCell {
  readonly message: string;
}

export interface AblationResults {
  readonly plan: AblationPlan;
  /** Those that have finished. */
  readonly runs: readonly AblationRun[];
  readonly failed: readonly FailedAblationRun[];
}

export interface AblationRow {
  /** Name of the recipe. */
  readonly variant: string;
  /** Of the seeds that have finished, fractions. */
  readonly scores: readonly { readonly seed: number; readonly score: number }[];
  /** Of them; null where there are none. */
  readonly score: MeanDeviation | null;
  /** To the base, over the seeds that both have finished; null where there are none, and of the base itself. */
  readonly difference: MeanDeviation | null;
  /** Seeds whose run failed. */
  readonly failed: readonly number[];
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
  /** What the task is scored by; null where no run has finished. */
  readonly metric: string | null;
  readonly base: AblationRow;
  readonly references: readonly (AblationRow & { readonly name: string })[];
  readonly sweeps: readonly { readonly keys: readonly string[]; readonly rows: readonly AblationPointRow[] }[];
}

/** @throws InputError where the run has not finished, a file of it is damaged, or as `loadModel` */
export function readAblationRun(
  folder: RunFolder,
  { variant, seed }: AblationCell,
  code: CodeOptions = {},
): AblationRun {
  const { parameters } = countStored(loadRunModel(folder.path, code).network);
  return { variant, seed, ...readFinishedRun(folder), parameters };
}

export function ablationTable({ plan, runs, failed }: AblationResults): AblationTable {
  const ofVariant = (variant: string): AblationRun[] =>
    plan.seeds.flatMap((seed) => runs.filter((run) => run.variant === variant && run.seed === seed));
  const base = new Map(ofVariant(ABLATION_BASE).map(({ seed, score }) => [seed, score]));
  const row = (variant: string): AblationRow => {
    const own = ofVariant(variant);
    const scores = own.map(({ seed, score }) => ({ seed, score }));
    const differences = scores.flatMap(({ seed, score }) => {
      const other = base.get(seed);
      return other === undefined ? [] : [score - other];
    });
    return {
      variant,
      scores,
      score: meanDeviation(scores.map(({ score }) => score)),
      difference: variant === ABLATION_BASE ? null : meanDeviation(differences),
      failed: failed.filter((run) => run.variant === variant).map(({ seed }) => seed),
      parameters: mean(own.map(({ parameters }) => parameters)),
      dynamicRatio: mean(own.map(({ dynamicRatio }) => dynamicRatio)),
      stepSeconds: mean(own.flatMap(({ stepSeconds }) => stepSeconds ?? [])),
    };
  };
  return {
    metric: runs[0]?.metric ?? null,
    base: row(ABLATION_BASE),
    references: plan.references.map(({ name, variant }) => ({ name, ...row(variant) })),
    sweeps: plan.sweeps.map(({ keys, points }) => ({
      keys,
      rows: points.map(({ values, variant }) => ({ values, ...row(variant) })),
    })),
  };
}

function mean(values: readonly number[]): number | null {
  return meanDeviation(values)?.mean ?? null;
}
