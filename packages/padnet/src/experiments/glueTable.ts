/** The numbers of GLUE's table: means and deviations of each network over seeds, and differences between networks. */
import type { GlueTaskName } from '../data/index.js';
import type { TextRecipe } from '../recipe/index.js';
import { mean, meanDeviation, type MeanDeviation } from '../statistics.js';
import type { GlueCell, GlueMatrix, GlueNetwork } from './glue.js';
import type { MajorityScore } from './glueMajority.js';
import {
  type FinishedRun,
  meanBySeed,
  scoresBySeed,
  seedScores,
  type MatrixResults,
  type SeedScores,
} from './matrix.js';
import { type BySeed, holmCorrected, pairedDifference, type PairedDifference } from './pairedDifference.js';

/** A cell of the table that has been trained. */
export type GlueRun = GlueCell & FinishedRun<TextRecipe>;

export interface GlueResults extends MatrixResults<GlueCell, TextRecipe> {
  readonly matrix: GlueMatrix;
  /** One for each task. */
  readonly majority: readonly MajorityScore[];
}

/** The costs of a network, over the tasks that every network of the table has finished; null where there are none. */
export interface GlueCosts {
  /** Largest of all tasks: their heads differ. */
  readonly parameters: number;
  /** Mean. */
  readonly dynamicRatio: number;
  /** Mean over tasks of the mean over seeds of a run's median step; null where a run has no step that was timed. */
  readonly stepSeconds: number | null;
  /** Largest. */
  readonly peakMemoryBytes: number;
}

export interface GlueRow {
  readonly network: GlueNetwork;
  /** One for each task. */
  readonly cells: readonly SeedScores[];
  /** The mean over all tasks, over the seeds that have finished all of them; null where none has. */
  readonly average: MeanDeviation | null;
  readonly costs: GlueCosts | null;
}

/** How much a network scores above another, on the same seeds. */
export interface GlueDifference {
  readonly network: GlueNetwork;
  readonly than: GlueNetwork;
  /** One for each task, over the seeds that both have finished, corrected over tasks; null where there are none. */
  readonly cells: readonly (PairedDifference | null)[];
  /** The same of the average, corrected over the averages of all comparisons. */
  readonly average: PairedDifference | null;
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
  const { tasks, networks } = matrix;
  const inCell = <Of extends GlueCell>(of: readonly Of[], task: GlueTaskName, network: GlueNetwork): Of[] =>
    of.filter((each) => each.task === task && each.network === network);
  /** By network: the scores of each task, then their average. */
  const scores = new Map(
    networks.map((network) => {
      const ofTasks = tasks.map((task) => scoresBySeed(inCell(runs, task, network)));
      return [network, [...ofTasks, meanBySeed(ofTasks)]] as const;
    }),
  );
  const costTasks = tasks.filter((task) => networks.every((network) => inCell(runs, task, network).length > 0));
  const majorityScores = tasks.map((task) => majority.find((each) => each.task === task)!.score);
  return {
    matrix,
    majority: { scores: majorityScores, average: mean(majorityScores) },
    rows: networks.map((network) => ({
      network,
      cells: tasks.map((task, index) => seedScores(scores.get(network)![index]!, inCell(failed, task, network))),
      average: meanDeviation([...scores.get(network)!.at(-1)!.values()]),
      costs: costsOf(costTasks.map((task) => inCell(runs, task, network))),
    })),
    differences: differencesOf(scores),
    costTasks,
  };
}

/** @param scores by network: those of each task, then their average */
function differencesOf(scores: ReadonlyMap<GlueNetwork, readonly BySeed[]>): GlueDifference[] {
  const differences = comparedNetworks.flatMap(([network, than]) => {
    const [own, other] = [scores.get(network), scores.get(than)];
    if (!own || !other) return [];
    const all = own.map((values, column) => pairedDifference(values, other[column]!));
    return [{ network, than, cells: holmCorrected(all.slice(0, -1)), average: all.at(-1)! }];
  });
  const averages = holmCorrected(differences.map(({ average }) => average));
  return differences.map((each, index) => ({ ...each, average: averages[index]! }));
}

/** @param runs by task */
function costsOf(runs: readonly (readonly GlueRun[])[]): GlueCosts | null {
  const all = runs.flat();
  if (all.length === 0) return null;
  const stepSeconds = mean(runs.map((ofTask) => mean(ofTask.map((run) => run.stepSeconds ?? NaN))));
  return {
    parameters: Math.max(...all.map(({ parameters }) => parameters)),
    dynamicRatio: mean(all.map(({ dynamicRatio }) => dynamicRatio)),
    stepSeconds: Number.isNaN(stepSeconds) ? null : stepSeconds,
    peakMemoryBytes: Math.max(...all.map(({ peakMemoryBytes }) => peakMemoryBytes)),
  };
}
