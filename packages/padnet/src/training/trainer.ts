/**
 * Trains a network on pictures, with Iterative Mode Partition at a given epoch. A library first: it tells what happens as a
 * stream of events, is stopped by an `AbortSignal`, and yields to the event loop after every step. It knows no recipe file
 * and no folder but that of its checkpoints.
 *
 *     for await (const event of new Trainer({ network, splits, training: { epochs: 3 } }).run()) …
 */
import { setImmediate } from 'node:timers/promises';
import { performance } from 'node:perf_hooks';
import {
  defaultGenerator,
  getNumThreads,
  noGrad,
  ops,
  optim,
  scope,
  type Device,
  type nn,
  type Tensor,
} from '@padnet/torch';
import type { z } from 'zod';
import {
  channelStatistics,
  DataLoader,
  type ImageBatch,
  type ImageSplits,
  type ImageTransform,
} from '../data/index.js';
import { KernelAttention, setTemperature } from '../dynamic/index.js';
import { InputError } from '../errors.js';
import {
  applyPartition,
  iterativeModePartition,
  overallDynamicRatio,
  partialLayers,
  saliencies,
  type Partition,
  type Saliency,
} from '../partition/index.js';
import { batchTensors } from './batchTensors.js';
import { loadLatestCheckpoint, saveCheckpoint } from './checkpoint.js';
import { classificationLoss, mixupLoss } from './classificationLoss.js';
import { evaluate } from './evaluate.js';
import type { EpochEvent, PartitionRoundEvent, StepEvent, TrainingEvent } from './events.js';
import { findNonFinite, NonFiniteLossError } from './nonFinite.js';
import { createOptimizer, learningRateSchedule } from './optimizer.js';
import {
  dataSchema,
  partitionSchema,
  trainingSchema,
  type DataOptions,
  type PartitionOptions,
  type TrainingOptions,
} from './recipe.js';
import { annealedTemperature } from './temperature.js';

export interface TrainerOptions {
  readonly network: nn.Layer;
  readonly splits: ImageSplits;
  /** As in a recipe; `name`, `path` and the limits do not matter here. */
  readonly data?: z.input<typeof dataSchema>;
  readonly training: z.input<typeof trainingSchema>;
  /** Given where the network has partial layers. */
  readonly partition?: z.input<typeof partitionSchema> | undefined;
  /** A score of one's own, instead of the one that `partition.saliency` names. */
  readonly saliency?: Saliency;
  /** Masks that were found before: they are applied at the partition's epoch instead of searching. */
  readonly masks?: Partition | undefined;
  /** Folder for checkpoints; without it, none are written. */
  readonly checkpoints?: string;
  /** Called with the masks as soon as they are found, before the checkpoint that contains them. */
  readonly onPartition?: (partition: Partition) => void;
  /** @default 'cpu' */
  readonly device?: Device;
}

export class Trainer {
  readonly network: nn.Layer;
  readonly normalise: NonNullable<ImageTransform['normalise']>;
  readonly totalSteps: number;
  readonly stepsPerEpoch: number;
  readonly #splits: ImageSplits;
  readonly #data: DataOptions;
  readonly #training: TrainingOptions;
  readonly #partition: PartitionOptions | null;
  readonly #saliency: Saliency;
  readonly #checkpoints: string | null;
  readonly #onPartition: (partition: Partition) => void;
  readonly #device: Device;
  readonly #loader: DataLoader;
  readonly #optimizer: optim.SGD | optim.AdamW;
  readonly #schedule: optim.Schedule;
  readonly #masks: Partition | null;
  readonly #hasAttention: boolean;
  // Where the run stands; saved in checkpoints. Epochs and batches are counted from 0 here, from 1 in events.
  #step = 0;
  #epoch = 0;
  #batch = 0;
  #partitioned = false;
  #events = 0;
  #lossSum = 0;
  #images = 0;
  #trainingSeconds = 0;

  /** @throws InputError where network and partition do not go together, or an option is out of range */
  constructor(options: TrainerOptions) {
    const { network, splits, checkpoints = null, device = 'cpu' } = options;
    this.#data = dataSchema.parse(options.data ?? {});
    this.#training = trainingSchema.parse(options.training);
    this.#partition = options.partition ? partitionSchema.parse(options.partition) : null;
    const hasPartialLayers = partialLayers(network).size > 0;
    if (this.#partition && !hasPartialLayers)
      throw new InputError('partition is given, but the network has no partial layer');
    this.network = network.to(device);
    this.#splits = splits;
    this.#saliency = options.saliency ?? saliencies[this.#partition?.saliency ?? 'maskGradient'];
    this.#checkpoints = checkpoints;
    this.#onPartition = options.onPartition ?? (() => undefined);
    this.#device = device;
    this.normalise = channelStatistics(splits.train);
    const { batchSize, numWorkers, randomCrop, randomFlip } = this.#data;
    const { seed, accumulation, epochs } = this.#training;
    this.#loader = new DataLoader({
      dataset: splits.train,
      batchSize,
      seed,
      shuffle: true,
      numWorkers,
      transform: {
        normalise: this.normalise,
        randomFlip,
        ...(randomCrop > 0 && { randomCrop: { padding: randomCrop } }),
      },
    });
    this.stepsPerEpoch = Math.ceil(this.#loader.batchesPerEpoch / accumulation);
    this.totalSteps = this.stepsPerEpoch * epochs;
    this.#optimizer = createOptimizer(network, this.#training);
    this.#schedule = learningRateSchedule(this.#training, this.stepsPerEpoch);
    this.#masks = options.masks ?? null;
    this.#hasAttention = [...network.namedModules()].some(([, module]) => module instanceof KernelAttention);
  }

  /** Events told so far, those of earlier sessions included. */
  get events(): number {
    return this.#events;
  }

  /**
   * Continues from the newest checkpoint of the folder: bit for bit where the run would stand had it not been interrupted, at
   * the same number of threads.
   *
   * @returns whether there was one
   * @throws InputError where it is damaged or of another network
   */
  resume(): boolean {
    if (this.#checkpoints === null) throw new InputError('a trainer without checkpoints has nothing to resume from');
    const folder = this.#checkpoints;
    return scope(() => {
      const checkpoint = loadLatestCheckpoint(folder);
      if (!checkpoint) return false;
      const { state, tensors } = checkpoint;
      const group = (prefix: string): Map<string, Tensor> =>
        new Map(
          [...tensors]
            .filter(([name]) => name.startsWith(prefix))
            .map(([name, value]) => [name.slice(prefix.length), value]),
        );
      this.network.loadStateDict(group('network.'));
      this.#optimizer.loadStateDict({ tensors: group('optimizer.'), numbers: state.optimizer });
      const random = tensors.get('random');
      if (!random) throw new InputError(`the checkpoint in ${folder} has no random state`);
      defaultGenerator.setState(random);
      this.#step = state.step;
      this.#epoch = state.epoch;
      this.#batch = state.batch;
      this.#partitioned = state.partitioned;
      this.#events = state.events;
      this.#lossSum = state.lossSum;
      this.#images = state.images;
      this.#trainingSeconds = state.trainingSeconds;
      return true;
    });
  }

  /**
   * Trains to the end, or until `signal` is aborted: then the step under way is finished and saved.
   *
   * @throws NonFiniteLossError where the loss is not finite; the last checkpoint stays
   */
  async *run({ signal }: { readonly signal?: AbortSignal | undefined } = {}): AsyncGenerator<
    TrainingEvent,
    void,
    undefined
  > {
    try {
      for await (const event of this.#session(signal)) {
        this.#events++;
        yield event;
      }
    } finally {
      await this.#loader.close();
    }
  }

  async *#session(signal: AbortSignal | undefined): AsyncGenerator<TrainingEvent> {
    const { epochs } = this.#training;
    let last: EpochEvent | null = null;
    while (this.#epoch < epochs) {
      if (signal?.aborted) return yield* this.#interrupt();
      if (this.#partition && !this.#partitioned && this.#epoch === this.#partition.epoch)
        yield* this.#runPartition(this.#partition, signal);
      if (signal?.aborted) return yield* this.#interrupt();
      const stepSeconds: number[] = [];
      const waitedBefore = this.#loader.waitSeconds;
      for await (const step of this.#trainEpoch()) {
        stepSeconds.push(step.seconds);
        yield step;
        if (signal?.aborted) return yield* this.#interrupt();
        if (this.#step % this.#training.checkpointSteps === 0 && this.#batch < this.#loader.batchesPerEpoch)
          yield* this.#save();
      }
      last = await this.#finishEpoch(stepSeconds, this.#loader.waitSeconds - waitedBefore);
      yield last;
      yield* this.#save();
    }
    const { testAccuracy, testLoss } = last ?? (await this.#test());
    yield {
      type: 'finished',
      epoch: this.#epoch,
      step: this.#step,
      testAccuracy,
      testLoss,
      peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
      trainingSeconds: this.#trainingSeconds,
    };
  }

  /** The rest of the epoch under way, step by step. */
  async *#trainEpoch(): AsyncGenerator<StepEvent> {
    const { accumulation } = this.#training;
    const { batchesPerEpoch } = this.#loader;
    this.network.train();
    let gathered: ImageBatch[] = [];
    for await (const batch of this.#loader.epoch(this.#epoch, { startBatch: this.#batch })) {
      gathered.push(batch);
      if (gathered.length < accumulation && batch.index + 1 < batchesPerEpoch) continue;
      const event = this.#trainStep(gathered);
      this.#batch = batch.index + 1;
      gathered = [];
      yield event;
      await setImmediate(); // signals, timers and other work get their turn
    }
  }

  #trainStep(batches: readonly ImageBatch[]): StepEvent {
    const start = performance.now();
    const { mixup, labelSmoothing, clipGradNorm, learningRate } = this.#training;
    const factor = this.#schedule(this.#step);
    const temperature = this.#setTemperature();
    const images = batches.reduce((sum, batch) => sum + batch.size, 0);
    this.#optimizer.learningRateScale = factor;
    const loss = scope(() => {
      let sum = 0;
      for (const batch of batches) {
        const inputs = batchTensors(batch, this.#splits.train, this.#device);
        const batchLoss = mixupLoss(this.network, inputs.images, inputs.labels, { alpha: mixup, labelSmoothing });
        const value = batchLoss.item();
        if (!Number.isFinite(value))
          throw new NonFiniteLossError(this.#step + 1, findNonFinite(this.network, inputs.images));
        sum += value * batch.size;
        batchLoss.mul(batch.size / images).backward();
      }
      if (clipGradNorm !== undefined) optim.clipGradNorm(this.network.parameters(), clipGradNorm);
      this.#optimizer.step();
      this.network.zeroGrad();
      return sum / images;
    });
    this.#step++;
    this.#lossSum += loss * images;
    this.#images += images;
    const seconds = (performance.now() - start) / 1000;
    this.#trainingSeconds += seconds;
    return {
      type: 'step',
      epoch: this.#epoch + 1,
      step: this.#step,
      totalSteps: this.totalSteps,
      loss,
      learningRate: learningRate * factor,
      temperature,
      images,
      seconds,
    };
  }

  #setTemperature(): number | null {
    if (!this.#hasAttention) return null;
    const { start, end, epochs } = this.#training.temperature;
    const temperature = annealedTemperature(this.#step, { start, end, steps: epochs * this.stepsPerEpoch });
    setTemperature(this.network, temperature);
    return temperature;
  }

  async #test(): Promise<{ testAccuracy: number; testLoss: number }> {
    const start = performance.now();
    const { accuracy, loss } = await evaluate(this.network, this.#splits.test, {
      normalise: this.normalise,
      device: this.#device,
    });
    this.#trainingSeconds += (performance.now() - start) / 1000;
    return { testAccuracy: accuracy, testLoss: loss };
  }

  async #finishEpoch(stepSeconds: readonly number[], waitSeconds: number): Promise<EpochEvent> {
    const trainLoss = this.#lossSum / this.#images;
    const computing = stepSeconds.reduce((sum, seconds) => sum + seconds, 0) + waitSeconds;
    const imagesPerSecond = computing > 0 ? (this.#images * (stepSeconds.length / this.stepsPerEpoch)) / computing : 0;
    const test = await this.#test();
    this.#epoch++;
    this.#batch = 0;
    this.#lossSum = 0;
    this.#images = 0;
    return {
      type: 'epoch',
      epoch: this.#epoch,
      epochs: this.#training.epochs,
      step: this.#step,
      trainLoss,
      ...test,
      imagesPerSecond,
      stepSeconds: median(stepSeconds),
      waitSeconds,
    };
  }

  async *#runPartition(options: PartitionOptions, signal: AbortSignal | undefined): AsyncGenerator<TrainingEvent> {
    const start = performance.now();
    const sources = partialLayers(this.network);
    if (options.fold) for (const source of sources.values()) source.foldMean();
    const rounds: PartitionRoundEvent[] = [];
    let partition: Partition;
    try {
      partition = this.#masks ?? (await this.#searchPartition(options, rounds, signal));
    } catch (error) {
      if (signal?.aborted) return; // the run is resumed from before the partition
      throw error;
    }
    applyPartition(this.network, partition);
    this.#onPartition(partition);
    this.#partitioned = true;
    yield* rounds;
    const seconds = (performance.now() - start) / 1000;
    this.#trainingSeconds += seconds;
    yield {
      type: 'partition',
      epoch: this.#epoch,
      step: this.#step,
      dynamicRatio: overallDynamicRatio(partition.masks.values()),
      dynamicRatioByLayer: Object.fromEntries(Array.from(partition.masks, ([path, mask]) => [path, mask.dynamicRatio])),
      seconds,
    };
    yield* this.#save();
  }

  async #searchPartition(
    options: PartitionOptions,
    rounds: PartitionRoundEvent[],
    signal: AbortSignal | undefined,
  ): Promise<Partition> {
    const batches = await this.#partitionSet(options.batches);
    const { labelSmoothing, seed } = this.#training;
    try {
      return await iterativeModePartition(this.network, {
        ...options,
        saliency: this.#saliency,
        seed,
        batchLosses: batches.map(
          ({ images, labels }) =>
            () =>
              classificationLoss(this.network.forward(images), labels, labelSmoothing),
        ),
        onRound: ({ round, keepRatio, dynamicRatio }) =>
          rounds.push({
            type: 'partitionRound',
            epoch: this.#epoch,
            step: this.#step,
            round,
            rounds: options.rounds,
            keepRatio,
            dynamicRatio,
          }),
        ...(signal && { signal }),
      });
    } finally {
      for (const { images, labels } of batches) for (const tensor of [images, labels]) tensor[Symbol.dispose]();
    }
  }

  /** The first batches of the training set in the order of the coming epoch, without random transforms. */
  async #partitionSet(count: number): Promise<{ images: Tensor; labels: Tensor }[]> {
    const loader = new DataLoader({
      dataset: this.#splits.train,
      batchSize: this.#data.batchSize,
      seed: this.#training.seed,
      shuffle: true,
      transform: { normalise: this.normalise },
    });
    const batches: { images: Tensor; labels: Tensor }[] = [];
    for await (const batch of loader.epoch(this.#epoch)) {
      if (batches.length === count) break;
      batches.push(batchTensors(batch, this.#splits.train, this.#device));
    }
    await loader.close();
    return batches;
  }

  *#interrupt(): Generator<TrainingEvent> {
    yield* this.#save();
    yield { type: 'interrupted', epoch: this.#epoch + 1, step: this.#step };
  }

  *#save(): Generator<TrainingEvent> {
    if (this.#checkpoints === null) return;
    const folder = this.#checkpoints;
    const file = scope(() => {
      const optimizer = this.#optimizer.stateDict();
      const tensors = new Map<string, Tensor>();
      for (const [name, value] of this.network.stateDict()) tensors.set(`network.${name}`, value);
      for (const [name, value] of optimizer.tensors) tensors.set(`optimizer.${name}`, value);
      assertFinite(tensors, this.#step);
      tensors.set('random', defaultGenerator.getState());
      return saveCheckpoint(
        folder,
        {
          step: this.#step,
          epoch: this.#epoch,
          batch: this.#batch,
          partitioned: this.#partitioned,
          events: this.#events,
          lossSum: this.#lossSum,
          images: this.#images,
          trainingSeconds: this.#trainingSeconds,
          optimizer: optimizer.numbers,
          threads: getNumThreads(),
        },
        tensors,
      );
    });
    yield { type: 'checkpoint', step: this.#step, file };
  }
}

/** A step can spoil the weights although its own loss was finite: such weights never replace a good checkpoint. */
function assertFinite(tensors: ReadonlyMap<string, Tensor>, step: number): void {
  noGrad(() => {
    const floating = [...tensors].filter(([, tensor]) => tensor.dtype.includes('float'));
    const norms = ops._foreachNorm(floating.map(([, tensor]) => tensor));
    norms.forEach((norm, index) => {
      if (!Number.isFinite(norm.item()))
        throw new NonFiniteLossError(step, `${floating[index]![0]} has entries that are not finite after it`);
    });
  });
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length === 0) return 0;
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
