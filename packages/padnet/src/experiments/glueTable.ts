/** The numbers of GLUE's table: a row for each network, means and deviations over seeds, and differences between networks. */
import type { GlueTaskName } from '../data/index.js';
import type { GlueCell, GlueMatrix, GlueNetwork } from '../experiments/index.js';
import { mean, meanDeviation, type MeanDeviation } from '../statistics.js';
import type { GlueRun, MajorityScore } from './glueResults.js';

export interface FailedRun extends GlueCell {
  readonly message: string;
}

export interface GlueResults {
  readonly matrix: GlueMatrix;
  /** Those that have finished. */
  readonly runs: readonly GlueRun[];
  readonly failed: readonly FailedRun[];
  /** One for each task. */
  readonly majority: readonly MajorityScore[];
}

export interface GlueTableCell {
  /** Over the seeds that have finished, as fractions; null where none has. */
  readonly score: MeanDeviation | null;
  /** Seeds whose run failed. */
  readonly failed: readonly number[];
}

/** What a network costs, over the tasks that every network of the table has finished; null where there are none. */
export interface GlueCosts {
  /** Largest of all tasks: their heads differ. */
  readonly parameters: number;
  /** Mean. */
  readonly dynamicRatio: number;
  /** Mean over tasks of the mean over seeds of a run's median step; null where no step was timed. */
  readonly stepSeconds: number | null;
  /** Largest. */
  readonly peakMemoryBytes: number;
}

export interface GlueRow {
  readonly network: GlueNetwork;
  /** One for each task. */
  readonly cells: readonly GlueTableCell[];
  /** Of the mean over all tasks, over the seeds that have finished all of them; null where none has. */
  readonly average: MeanDeviation | null;
  readonly costs: GlueCosts | null;
}

/** How much a network scores above another, on the same seeds. */
export interface GlueDifference {
  readonly network: GlueNetwork;
  readonly than: GlueNetwork;
  /** One for each task, over the seeds that both have finished; null where there are none. */
  readonly cells: readonly (MeanDeviation | null)[];
  readonly average: MeanDeviation | null;
}

export interface GlueTable {
  readonly matrix: GlueMatrix;
  readonly majority: { readonly scores: readonly number[]; readonly average: number };
  readonly rows: readonly GlueRow[];
  readonly differences: readonly GlueDifference[];
  /** Tasks that costs are counted over. */
  readonly costTasks: readonly GlueTaskName[];
}

/** Partial against whole experts, experts against none, pretrained against fresh weights. */
const comparedNetworks = [
  ['pad', 'moe'],
  ['moe', 'static'],
  ['static', 'scratch'],
] as const satisfies (readonly [GlueNetwork, GlueNetwork])[];

export function glueTable({ matrix, runs, failed, majority }: GlueResults): GlueTable {
  const { tasks, networks, seeds } = matrix;
  const find = (cell: GlueCell): GlueRun | undefined =>
    runs.find(({ task, network, seed }) => task === cell.task && network === cell.network && seed === cell.seed);
  const scoreOf = (cell: GlueCell): number | null => find(cell)?.score ?? null;
  const averageOf = (network: GlueNetwork, seed: number): number | null =>
    wholeMean(tasks.map((task) => scoreOf({ task, network, seed })));
  const costTasks = tasks.filter((task) =>
    networks.every((network) => runs.some((run) => run.task === task && run.network === network)),
  );
  const majorityScores = tasks.map((task) => majority.find((each) => each.task === task)!.score);
  const rows = networks.map((network): GlueRow => ({
    network,
    cells: tasks.map((task) => ({
      score: meanDeviation(known(seeds.map((seed) => scoreOf({ task, network, seed })))),
      failed: failed.filter((run) => run.task === task && run.network === network).map(({ seed }) => seed),
    })),
    average: meanDeviation(known(seeds.map((seed) => averageOf(network, seed)))),
    costs: costsOf(costTasks.map((task) => runs.filter((run) => run.task === task && run.network === network))),
  }));
  const differences = comparedNetworks
    .filter((pair) => pair.every((network) => networks.includes(network)))
    .map(([network, than]): GlueDifference => {
      const paired = (value: (network: GlueNetwork, seed: number) => number | null): MeanDeviation | null =>
        meanDeviation(known(seeds.map((seed) => minus(value(network, seed), value(than, seed)))));
      return {
        network,
        than,
        cells: tasks.map((task) => paired((each, seed) => scoreOf({ task, network: each, seed }))),
        average: paired(averageOf),
      };
    });
  return {
    matrix,
    majority: { scores: majorityScores, average: wholeMean(majorityScores)! },
    rows,
    differences,
    costTasks,
  };
}

/** @param runs by task */
function costsOf(runs: readonly (readonly GlueRun[])[]): GlueCosts | null {
  const all = runs.flat();
  if (all.length === 0) return null;
  return {
    parameters: Math.max(...all.map(({ parameters }) => parameters)),
    dynamicRatio: mean(all.map(({ dynamicRatio }) => dynamicRatio)),
    stepSeconds: wholeMean(runs.map((ofTask) => wholeMean(ofTask.map(({ stepSeconds }) => stepSeconds)))),
    peakMemoryBytes: Math.max(...all.map(({ peakMemoryBytes }) => peakMemoryBytes)),
  };
}

/** Null where one of them is. */
function wholeMean(values: readonly (number | null)[]): number | null {
  const all = known(values);
  return all.length === values.length && all.length > 0 ? mean(all) : null;
}

function minus(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a - b;
}

function known(values: readonly (number | null)[]): number[] {
  return values.filter((value) => value !== null);
}
