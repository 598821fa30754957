/** What a run that has finished gave: a line of the tables that compare many of them. */
import { InputError } from '../errors.js';
import type { Recipe } from '../recipe/index.js';
import { type Change, type Environment, readRun, type RunFolder } from '../runs/index.js';
import { changeNotes } from '../analysis/changeNotes.js';
import { changesOf, stepTimes } from '../analysis/runSummary.js';

export interface FinishedRun {
  /** Its folder. */
  readonly run: string;
  /** What the task is scored by, such as `accuracy`, or `f1/accuracy`, whose mean is the score. */
  readonly metric: string;
  /** The value of `metric` on the test data (of GLUE the development set), a fraction. */
  readonly score: number;
  /** All metrics by name. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly testLoss: number;
  /** Epochs and steps trained. */
  readonly epochs: number;
  readonly steps: number;
  /** κ that the masks give; 0 of a static network, 1 of a dynamic one. */
  readonly dynamicRatio: number;
  /** Median of the steps; of a partitioned network, of those after the partition. */
  readonly stepSeconds: number | null;
  readonly peakMemoryBytes: number;
  readonly trainingSeconds: number;
  readonly recipe: Recipe;
  readonly environment: Environment | null;
  /** What was changed between its sessions: with any, it is not what its recipe alone gives. */
  readonly changes: readonly Change[];
}

/** @throws InputError where the run has not finished, its score is no number, or a file of it is damaged */
export function readFinishedRun(folder: RunFolder): FinishedRun {
  const { recipe, events, environment } = readRun(folder.path);
  const finished = events.findLast((event) => event.type === 'finished');
  if (!finished) throw new InputError(`${folder.path} has no finished run`);
  if (!Number.isFinite(finished.testScore)) {
    throw new InputError(
      `${folder.path} has a test ${finished.metric} that is no number, since its network's outputs were none; train it ` +
        'anew with a lower training.learningRate',
    );
  }
  const partition = events.findLast((event) => event.type === 'partition');
  return {
    run: folder.path,
    metric: finished.metric,
    score: finished.testScore,
    metrics: finished.testMetrics,
    testLoss: finished.testLoss,
    epochs: finished.epoch,
    steps: finished.step,
    dynamicRatio: partition?.dynamicRatio ?? (recipe.model.layer === 'static' ? 0 : 1),
    stepSeconds: stepTimes(events).stepSeconds,
    peakMemoryBytes: finished.peakMemoryBytes,
    trainingSeconds: finished.trainingSeconds,
    recipe,
    environment,
    changes: changesOf(events),
  };
}

/** What has to be known of how they were made. */
export function originNotes(runs: readonly FinishedRun[]): string[] {
  const notes = changeNotes(runs.map(({ run, changes }) => ({ name: run, changes })));
  if (new Set(runs.map(machineOf)).size <= 1) return notes;
  return [
    'Runs come from different machines or numbers of threads: their times and memory cannot be compared.',
    ...notes,
  ];
}

function machineOf({ environment }: FinishedRun): string {
  return environment ? [environment.cpu, environment.cores, environment.threads].join() : '';
}
