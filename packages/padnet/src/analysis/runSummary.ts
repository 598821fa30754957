/**
 * Everything a report says of one run, as plain data: from its recipe, its events and the counts of its network. A
 * network that is no run, such as a converted one, has the counts alone.
 */
import { median } from '../statistics.js';
import { taskKind } from '../training/prepare.js';
import type { RunRecipe } from '../recipe/recipe.js';
import {
  epochScore,
  type Change,
  type EpochEvent,
  type Score,
  type StepEvent,
  type TrainingEvent,
} from '../runs/events.js';
import type { RouterCoefficients } from './coefficients.js';
import type { ExpertLoad } from './expertLoad.js';
import type { NetworkCounts } from './networkCounts.js';
import { networkFacts, type RunModel } from './networkFacts.js';
import { routerHistory, type RouterPoint } from './routerHistory.js';
import type { RouterState } from './routerStates.js';
import type { LayerKind, TextConfig } from '../models/index.js';
import type { NetworkFacts, RouterFindings } from './view.js';

/** Where a run was made. Times and memory of runs are compared only where machine and threads agree. */
export interface RunEnvironment {
  /** Such as `Intel Xeon Platinum 8375C, 2 cores`. */
  readonly machine: string;
  readonly threads: number;
  readonly commit: string | null;
}

export interface EpochPoint {
  readonly epoch: number;
  /** As trained on: with augmentation, mix-up and label smoothing. */
  readonly trainLoss: number;
  /** The data that the epoch was scored on; null where it was not. */
  readonly on: Score['on'] | null;
  /** On those data; null where there are none, or it was no number. */
  readonly loss: number | null;
  /** The value of the task's metric on those data; null as `loss`. */
  readonly score: number | null;
}

export interface MeanCoefficientsResult {
  readonly score: number;
  readonly testLoss: number;
}

/** With what its network stores and multiplies, and its dynamic and partial layers, at the end of training. */
export interface RunSummary extends Readonly<NetworkCounts['stored']>, Omit<NetworkCounts, 'stored'> {
  readonly name: string;
  readonly layer: LayerKind;
  readonly modality: RunRecipe['modality'];
  /** The recipe of a network like it; of a program of one's own what that says of it. */
  readonly model: RunRecipe['model'];
  /** Null of a network that is no run. */
  readonly recipe: RunRecipe | null;
  readonly network: NetworkFacts;
  readonly environment: RunEnvironment | null;
  /** Whether training reached its end; where not, score and loss are those of the last epoch that was scored. */
  readonly finished: boolean;
  /** The metric of the task, such as `accuracy`, `matthews` or `f1/accuracy`, whose mean is the score. */
  readonly metric: string;
  /** The data that the score is of: the test data of a run that has finished. */
  readonly scoredOn: Score['on'];
  /** 1 is best; null before the first evaluation. */
  readonly score: number | null;
  /** All metrics of the task by name; none before the first evaluation. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Null before the test, which comes at the end. */
  readonly testLoss: number | null;
  /**
   * Score and loss of the network on the same data with routing switched off: every dynamic layer at its mean
   * coefficients over training data. What it loses by that is the routing's. Null where it routes nothing or it was not
   * measured.
   */
  readonly meanCoefficients: MeanCoefficientsResult | null;
  /** Pictures or sentences that the score is measured on; null where not known. */
  readonly testSamples: number | null;
  /**
   * κ: what was asked for (of a network that is no run, what it has), and what the masks give. 0 of a static network, 1
   * of a dynamic one.
   */
  readonly kappa: { readonly target: number; readonly reached: number };
  /** Median seconds of a step, the first five left out; of a partitioned network, of the steps after the partition. */
  readonly stepSeconds: number | null;
  /** Median over the same steps. */
  readonly samplesPerSecond: number | null;
  /** Samples of the first step. */
  readonly stepSamples: number | null;
  readonly peakMemoryBytes: number | null;
  readonly trainingSeconds: number | null;
  readonly curve: readonly EpochPoint[];
  /** After which epoch the masks were set; null where they were not. */
  readonly partitionEpoch: number | null;
  /** The coefficients of dynamic convolutions. */
  readonly coefficients: RouterCoefficients | null;
  /** The load of mixtures of experts. */
  readonly experts: ExpertLoad | null;
  /** Which routers tell inputs apart; empty where there are none, or no data. */
  readonly routers: readonly RouterState[];
  /** How mixtures of experts routed during training; empty where there are none. */
  readonly routing: readonly RouterPoint[];
  /** Changes between its sessions: with any, it is not what its recipe alone gives. */
  readonly changes: readonly Change[];
}

export interface RunSummaryOptions extends Partial<RouterFindings> {
  readonly name: string;
  /** A network that is no run has a model alone. */
  readonly recipe: RunRecipe | RunModel;
  /** As read from `metrics.jsonl`; where a resumed run tells something twice, the later counts. */
  readonly events: readonly TrainingEvent[];
  readonly counts: NetworkCounts;
  readonly environment?: RunEnvironment | null;
  /** @default null */
  readonly meanCoefficients?: MeanCoefficientsResult | null;
  /** The configuration of a text encoder. */
  readonly config?: TextConfig | null;
}

export function runSummary(options: RunSummaryOptions): RunSummary {
  const { name, recipe, events, counts, environment = null, config = null, testSamples = null } = options;
  const { stored, ...others } = counts;
  const curve = learningCurve(events);
  const finished = events.findLast((event) => event.type === 'finished') ?? null;
  const result = scoreOf(events);
  const { modality, model } = recipe;
  const trained = 'training' in recipe ? recipe : null;
  const reached = stored.entries === 0 ? 0 : stored.dynamicEntries / stored.entries;
  const targets = { static: 0, dynamic: 1, partial: trained ? (trained.partition?.ratio ?? 1) : reached };
  return {
    name,
    layer: model.layer,
    modality,
    model,
    recipe: trained,
    network: networkFacts(recipe, config),
    environment,
    finished: finished !== null,
    metric: result?.metric ?? (trained ? metricOf(trained) : 'score'),
    scoredOn: result?.on ?? 'test',
    score: result?.score ?? null,
    metrics: result?.metrics ?? {},
    testLoss: result?.on === 'test' ? result.loss : null,
    meanCoefficients: options.meanCoefficients ?? null,
    testSamples,
    kappa: { target: targets[model.layer], reached },
    ...stored,
    ...others,
    ...stepTimes(events),
    stepSamples: events.find((event) => event.type === 'step')?.samples ?? null,
    peakMemoryBytes: finished?.peakMemoryBytes ?? null,
    trainingSeconds: finished?.trainingSeconds ?? null,
    curve,
    partitionEpoch: events.some(({ type }) => type === 'partition') ? (trained?.partition?.epoch ?? null) : null,
    coefficients: options.coefficients ?? null,
    experts: options.experts ?? null,
    routers: options.routers ?? [],
    routing: routerHistory(events),
    changes: changesOf(events),
  };
}

/** That of the test data, where the run has finished; else of the last epoch that was scored. */
function scoreOf(events: readonly TrainingEvent[]): Score | null {
  const finished = events.findLast((event) => event.type === 'finished');
  if (finished) {
    const { metric, testScore, testMetrics, testLoss } = finished;
    return { on: 'test', metric, score: testScore, metrics: testMetrics, loss: testLoss };
  }
  return events.flatMap((event) => (event.type === 'epoch' ? (epochScore(event) ?? []) : [])).at(-1) ?? null;
}

export function changesOf(events: readonly TrainingEvent[]): Change[] {
  return events.flatMap((event) => (event.type === 'changed' ? event.changes : []));
}

/** The metric that a run will be scored by. */
function metricOf(recipe: RunRecipe): string {
  return recipe.modality === 'program' ? 'score' : taskKind(recipe.modality).metric(recipe);
}

function learningCurve(events: readonly TrainingEvent[]): EpochPoint[] {
  const byEpoch = new Map<number, EpochEvent>();
  for (const event of events) if (event.type === 'epoch') byEpoch.set(event.epoch, event);
  return [...byEpoch.values()]
    .sort((a, b) => a.epoch - b.epoch)
    .map((event) => {
      const { epoch, trainLoss } = event;
      const { on = null, loss = null, score = null } = epochScore(event) ?? {};
      // What was no number is null in JSON.
      return { epoch, trainLoss, on, loss, score: Number.isFinite(score) ? score : null };
    });
}

/** Medians; null where there is no step. */
export function stepTimes(events: readonly TrainingEvent[]): Pick<RunSummary, 'stepSeconds' | 'samplesPerSecond'> {
  const steps = timedSteps(events);
  if (steps.length === 0) return { stepSeconds: null, samplesPerSecond: null };
  return {
    stepSeconds: median(steps.map(({ seconds }) => seconds)),
    samplesPerSecond: median(steps.map(({ samples, seconds }) => samples / seconds)),
  };
}

/**
 * Steps before the partition run another network, and the first five warm up; where no more are left, they have to do.
 */
function timedSteps(events: readonly TrainingEvent[]): readonly StepEvent[] {
  const isStep = (event: TrainingEvent): event is StepEvent => event.type === 'step';
  const after = events.slice(events.findLastIndex(({ type }) => type === 'partition') + 1).filter(isStep);
  const steps = after.length > 0 ? after : events.filter(isStep);
  return steps.length > 5 ? steps.slice(5) : steps;
}
