/** Everything a report says of one run, as plain data: from its recipe, its events and the counts of its network. */
import { median } from '../training/median.js';
import type { LayerKind } from '../models/index.js';
import type { Recipe } from '../training/recipe.js';
import type { EpochEvent, StepEvent, TrainingEvent } from '../training/events.js';
import type { RouterCoefficients } from './coefficients.js';
import type { LayerRatio, NetworkCounts } from './networkCounts.js';

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
  readonly testLoss: number;
  /** Fraction. */
  readonly testAccuracy: number;
}

export interface RunSummary {
  readonly name: string;
  readonly layer: LayerKind;
  readonly recipe: Recipe;
  readonly environment: RunEnvironment | null;
  /** Whether training reached its end; where not, accuracy and loss are those of the last whole epoch. */
  readonly finished: boolean;
  /** Fraction; null before the first evaluation. */
  readonly testAccuracy: number | null;
  readonly testLoss: number | null;
  /** Pictures that the accuracy is measured on; null where not known. */
  readonly testPictures: number | null;
  /** κ: what was asked for, and what the masks give. 0 of a static network, 1 of a dynamic one. */
  readonly kappa: { readonly target: number; readonly reached: number };
  /** Trained numbers in the compact form. */
  readonly parameters: number;
  readonly maskBits: number;
  readonly entries: number;
  readonly dynamicEntries: number;
  /** Multiply-accumulates for one picture. */
  readonly macs: number;
  /** Median seconds of a step, the first five left out; of a partitioned network, of the steps after the partition. */
  readonly stepSeconds: number | null;
  /** Median over the same steps. */
  readonly imagesPerSecond: number | null;
  readonly peakMemoryBytes: number | null;
  readonly trainingSeconds: number | null;
  readonly curve: readonly EpochPoint[];
  /** After which epoch the masks were set; null where they were not. */
  readonly partitionEpoch: number | null;
  /** Dynamic and partial layers at the end of training. */
  readonly layers: readonly LayerRatio[];
  readonly coefficients: RouterCoefficients | null;
}

export interface RunSummaryOptions {
  readonly name: string;
  readonly recipe: Recipe;
  /** As read from `metrics.jsonl`; where a resumed run tells something twice, the later counts. */
  readonly events: readonly TrainingEvent[];
  readonly counts: NetworkCounts;
  readonly environment?: RunEnvironment | null;
  readonly testPictures?: number | null;
  readonly coefficients?: RouterCoefficients | null;
}

export function runSummary(options: RunSummaryOptions): RunSummary {
  const { name, recipe, events, counts, environment = null, testPictures = null, coefficients = null } = options;
  const { parameters, maskBits, entries, dynamicEntries } = counts.stored;
  const curve = learningCurve(events);
  const last = curve.at(-1) ?? null;
  const finished = events.findLast((event) => event.type === 'finished') ?? null;
  const steps = timedSteps(events);
  const targets = { static: 0, dyconv: 1, pad: recipe.partition?.ratio ?? 1 };
  return {
    name,
    layer: recipe.model.layer,
    recipe,
    environment,
    finished: finished !== null,
    testAccuracy: (finished ?? last)?.testAccuracy ?? null,
    testLoss: (finished ?? last)?.testLoss ?? null,
    testPictures,
    kappa: { target: targets[recipe.model.layer], reached: entries === 0 ? 0 : dynamicEntries / entries },
    parameters,
    maskBits,
    entries,
    dynamicEntries,
    macs: counts.macs,
    stepSeconds: median(steps.map(({ seconds }) => seconds)),
    imagesPerSecond: median(steps.map(({ images, seconds }) => images / seconds)),
    peakMemoryBytes: finished?.peakMemoryBytes ?? null,
    trainingSeconds: finished?.trainingSeconds ?? null,
    curve,
    partitionEpoch: events.some(({ type }) => type === 'partition') ? (recipe.partition?.epoch ?? null) : null,
    layers: counts.layers,
    coefficients,
  };
}

function learningCurve(events: readonly TrainingEvent[]): EpochPoint[] {
  const byEpoch = new Map<number, EpochEvent>();
  for (const event of events) if (event.type === 'epoch') byEpoch.set(event.epoch, event);
  return [...byEpoch.values()]
    .sort((a, b) => a.epoch - b.epoch)
    .map(({ epoch, trainLoss, testLoss, testAccuracy }) => ({ epoch, trainLoss, testLoss, testAccuracy }));
}

/** Steps before the partition run another network, and the first five warm up; where no more are left, they have to do. */
function timedSteps(events: readonly TrainingEvent[]): readonly StepEvent[] {
  const isStep = (event: TrainingEvent): event is StepEvent => event.type === 'step';
  const after = events.slice(events.findLastIndex(({ type }) => type === 'partition') + 1).filter(isStep);
  const steps = after.length > 0 ? after : events.filter(isStep);
  return steps.length > 5 ? steps.slice(5) : steps;
}
