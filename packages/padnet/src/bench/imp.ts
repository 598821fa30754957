/**
 * What the rounds of Iterative Mode Partition cost a batch, beside ordinary training steps of the partial network that they
 * lead to: `iterativeModePartition` as training runs it between two epochs, and steps, in one process, in turns.
 */
import { getNumThreads, manualSeed, memoryUsage, nn, ops, scope, setNumThreads, type Tensor } from '@padnet/torch';
import {
  applyPartition,
  iterativeModePartition,
  maskGradient,
  type Granularity,
  type Partition,
  type Saliency,
} from '../partition/index.js';
import { median } from '../statistics.js';
import { createUnmasked, inputShape, trainingStep, type NetworkShape } from './benchNetwork.js';
import { spread } from './repeats.js';

export interface ImpBenchOptions extends NetworkShape {
  /** κ */
  readonly ratio: number;
  /** T */
  readonly rounds: number;
  readonly granularity: Granularity;
  /** Batches that a round of training scores: over so many, the choice of the round's masks is spread. */
  readonly batches: number;
  /** Timed batches of each round, and timed steps, in each repeat. */
  readonly steps: number;
  readonly repeats: number;
  readonly threads: number;
  readonly signal?: AbortSignal;
}

export interface ImpTime {
  /** Median. */
  readonly seconds: number;
  /** Distance of the quartiles over the median. */
  readonly spread: number;
  /** Over a step of the partial network, median of the repeats. */
  readonly ratioToStep: number;
  /** The most that tensors held meanwhile beside what they held before: activations, gradients, scores. */
  readonly workingMemoryBytes: number;
}

export interface ImpCosts {
  /** A training step of the partial network, with the masks that were found. */
  readonly step: ImpTime;
  /** A training step before the partition, every entry dynamic. */
  readonly unmaskedStep: ImpTime;
  /** Forward, ∂L/∂M and its sum over the batches: a batch. */
  readonly scoring: ImpTime;
  /** From scores to masks: a round. */
  readonly choosing: ImpTime;
  /** What a batch of a round costs: `scoring` and its share of `choosing`. */
  readonly batch: ImpTime;
  readonly targetRatio: number;
}

/** The most that `batch.ratioToStep` is to be. */
export const targetRatio = 1.3;

/** Random pictures; the networks are trained for a few steps at most. */
export async function benchImp(options: ImpBenchOptions): Promise<ImpCosts> {
  const { batch, numClasses, steps, repeats, threads, signal } = options;
  const threadsBefore = getNumThreads();
  setNumThreads(threads);
  try {
    manualSeed(0);
    const images = ops.randn(inputShape(options));
    const labels = ops.randint(numClasses, [batch], { dtype: 'int64' });
    const searched = createUnmasked(options, 'pad');
    const unmaskedStep = measuredStep(searched, images, labels);
    unmaskedStep(); // its batch norms know the pictures from here on
    const { partition } = await searchMasks(searched, images, labels, { ...options, steps: 1 });
    const partial = createUnmasked(options, 'pad');
    applyPartition(partial, partition);
    const step = measuredStep(partial, images, labels);
    step();
    const measured: Repeat[] = [];
    for (let repeat = 0; repeat < repeats; repeat++) {
      signal?.throwIfAborted();
      const ordinary = medianOf(Array.from({ length: steps }, step));
      const before = medianOf(Array.from({ length: steps }, unmaskedStep));
      const { scoring, choosing } = await searchMasks(searched, images, labels, options);
      measured.push({
        step: ordinary,
        unmaskedStep: before,
        scoring,
        choosing,
        batch: {
          seconds: scoring.seconds + choosing.seconds / options.batches,
          bytes: Math.max(scoring.bytes, choosing.bytes),
        },
      });
    }
    const times = parts.map((part) => [part, summarise(measured, part)]);
    return { ...(Object.fromEntries(times) as Record<Part, ImpTime>), targetRatio };
  } finally {
    setNumThreads(threadsBefore);
  }
}

const parts = ['step', 'unmaskedStep', 'scoring', 'choosing', 'batch'] as const;
type Part = (typeof parts)[number];

interface Measured {
  readonly seconds: number;
  /** See `ImpTime.workingMemoryBytes`. */
  readonly bytes: number;
}

type Repeat = Readonly<Record<Part, Measured>>;

function summarise(repeats: readonly Repeat[], part: Part): ImpTime {
  const seconds = repeats.map((repeat) => repeat[part].seconds);
  return {
    seconds: median(seconds),
    spread: spread(seconds),
    ratioToStep: median(repeats.map((repeat) => repeat[part].seconds / repeat.step.seconds)),
    workingMemoryBytes: Math.max(...repeats.map((repeat) => repeat[part].bytes)),
  };
}

function medianOf(measured: readonly Measured[]): Measured {
  return {
    seconds: median(measured.map(({ seconds }) => seconds)),
    bytes: Math.max(...measured.map(({ bytes }) => bytes)),
  };
}

/** Starts to measure; what it returns ends that. */
function measure(): () => Measured {
  const { allocated } = memoryUsage({ resetPeak: true });
  const start = performance.now();
  return () => ({ seconds: (performance.now() - start) / 1000, bytes: memoryUsage().peak - allocated });
}

function measuredStep(network: nn.Layer, images: Tensor, labels: Tensor): () => Measured {
  const step = trainingStep(network, images, labels);
  return () => {
    const end = measure();
    scope(step);
    return end();
  };
}

interface Search {
  readonly partition: Partition;
  /** A batch. */
  readonly scoring: Measured;
  /** A round. */
  readonly choosing: Measured;
}

/** Searches masks with the score of the paper, and tells its time from the rest. */
async function searchMasks(
  network: nn.Layer,
  images: Tensor,
  labels: Tensor,
  { ratio, rounds, granularity, steps }: ImpBenchOptions,
): Promise<Search> {
  const loss = new nn.CrossEntropyLoss();
  const scored: Measured[] = [];
  const chosen: Measured[] = [];
  let endChoosing: (() => Measured) | null = null;
  const saliency: Saliency = {
    name: maskGradient.name,
    async score(context) {
      if (endChoosing) chosen.push(endChoosing());
      const end = measure();
      const scores = await maskGradient.score(context);
      scored.push(end());
      endChoosing = measure();
      return scores;
    },
  };
  const batchLosses = Array.from({ length: steps }, () => (): Tensor => loss.forward(network.forward(images), labels));
  const partition = await iterativeModePartition(network, { ratio, rounds, granularity, saliency, batchLosses });
  chosen.push(endChoosing!());
  const { seconds, bytes } = medianOf(scored);
  return { partition, scoring: { seconds: seconds / steps, bytes }, choosing: medianOf(chosen) };
}
