/**
 * A matrix of runs: recipes × seeds, each run in a folder of its own; what finished runs gave, and how scores of the
 * same seeds compare. GLUE's table and ablations are matrices.
 */
import { scope } from '@padnet/torch';
import { changesOf, stepTimes } from '../analysis/runSummary.js';
import { InputError } from '../errors.js';
import { countStored } from '../layers/index.js';
import type { CodeOptions } from '../ownCode/index.js';
import type { Recipe } from '../recipe/index.js';
import { type Change, type Environment, loadRunModel, readRun, type RunFolder } from '../runs/index.js';
import { meanDeviation, type MeanDeviation } from '../statistics.js';
import type { BySeed } from './pairedDifference.js';

/** A run of a matrix, whether it has been trained or not. */
export interface MatrixRun<Cell, R extends Recipe = Recipe> {
  /** The name of its folder, within the folder of the matrix. */
  readonly name: string;
  /** Where it stands in the matrix. */
  readonly cell: Cell;
  readonly recipe: R;
  /** One of several that are chosen from: where it diverges, that is its result. @default false */
  readonly isTry?: boolean;
}

/** The results of a run that has finished. */
export interface FinishedRun<R extends Recipe = Recipe> {
  /** Its folder. */
  readonly run: string;
  /** The metric of the task, such as `accuracy`, or `f1/accuracy`, whose mean is the score. */
  readonly metric: string;
  /** The value of `metric` on the test data (of GLUE the development set), a fraction. */
  readonly score: number;
  /** All metrics by name. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly testLoss: number;
  /** The value of `metric` on the validation data, a fraction; null where there are none. */
  readonly validationScore: number | null;
  /** Epochs and steps trained. */
  readonly epochs: number;
  readonly steps: number;
  /** Trained numbers in the compact form. */
  readonly parameters: number;
  /** κ that the masks give; 0 of a static network, 1 of a dynamic one. */
  readonly dynamicRatio: number;
  /** Median of the steps; of a partitioned network, of those after the partition. */
  readonly stepSeconds: number | null;
  readonly peakMemoryBytes: number;
  readonly trainingSeconds: number;
  readonly recipe: R;
  readonly environment: Environment | null;
  /** Changes between its sessions: with any, it is not what its recipe alone gives. */
  readonly changes: readonly Change[];
}

/** The results of a matrix, in its order. */
export interface MatrixResults<Cell, R extends Recipe = Recipe> {
  /** Those that have finished. */
  readonly runs: readonly (Cell & FinishedRun<R>)[];
  readonly failed: readonly (Cell & { readonly message: string })[];
  /** The tries that could not be trained to their end, as a number was not finite. */
  readonly diverged: readonly (Cell & { readonly message: string })[];
}

/** A score is no number, as the outputs of the network were none. */
export class NonFiniteScoreError extends InputError {
  override readonly name = 'NonFiniteScoreError';
}

/**
 * @throws InputError where the run has not finished, a file of it is damaged, or as `loadModel`; NonFiniteScoreError
 */
export function readFinishedRun<Cell, R extends Recipe>(
  folder: RunFolder,
  { cell, recipe }: Pick<MatrixRun<Cell, R>, 'cell' | 'recipe'>,
  code: CodeOptions = {},
): Cell & FinishedRun<R> {
  const { events, environment } = readRun(folder.path);
  const finished = events.findLast((event) => event.type === 'finished');
  if (!finished) throw new InputError(`${folder.path} has no finished run`);
  const { testScore, validationScore } = finished;
  const scores = { test: testScore, ...(validationScore !== undefined && { validation: validationScore }) };
  for (const [data, score] of Object.entries(scores)) {
    if (Number.isFinite(score)) continue;
    throw new NonFiniteScoreError(
      `${folder.path} has a ${data} ${finished.metric} that is not a number, as its network's outputs were not; ` +
        'train it anew with a lower training.learningRate',
    );
  }
  const partition = events.findLast((event) => event.type === 'partition');
  return {
    ...cell,
    run: folder.path,
    metric: finished.metric,
    score: testScore,
    metrics: finished.testMetrics,
    testLoss: finished.testLoss,
    validationScore: validationScore ?? null,
    epochs: finished.epoch,
    steps: finished.step,
    parameters: scope(() => countStored(loadRunModel(folder.path, code).network).parameters),
    dynamicRatio: partition?.dynamicRatio ?? (recipe.model.layer === 'static' ? 0 : 1),
    stepSeconds: stepTimes(events).stepSeconds,
    peakMemoryBytes: finished.peakMemoryBytes,
    trainingSeconds: finished.trainingSeconds,
    recipe,
    environment,
    changes: changesOf(events),
  };
}

/** The scores of one recipe over the seeds of a matrix. */
export interface SeedScores {
  /** Over the seeds that have finished, fractions; null where there are none. */
  readonly score: MeanDeviation | null;
  /** Seeds whose run failed. */
  readonly failed: readonly number[];
}

export function scoresBySeed(runs: readonly { readonly seed: number; readonly score: number }[]): BySeed {
  return new Map(runs.map(({ seed, score }) => [seed, score]));
}

export function seedScores(scores: BySeed, failed: readonly { readonly seed: number }[]): SeedScores {
  return { score: meanDeviation([...scores.values()]), failed: failed.map(({ seed }) => seed) };
}

/** The mean of several values for each seed that has all of them. */
export function meanBySeed(all: readonly BySeed[]): BySeed {
  const [first = new Map<number, number>(), ...others] = all;
  const whole = [...first].filter(([seed]) => others.every((values) => values.has(seed)));
  return new Map(
    whole.map(([seed, value]) => [seed, others.reduce((sum, values) => sum + values.get(seed)!, value) / all.length]),
  );
}
