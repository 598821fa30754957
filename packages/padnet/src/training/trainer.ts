/**
 * Trains the network of a task, with Iterative Mode Partition at a given epoch. A library first: it tells what happens
 * as a stream of events, is stopped by an `AbortSignal`, and yields to the event loop after every step. It knows no
 * recipe file and no folder but that of its checkpoints.
 *
 *     const task = new PictureTask({ network, splits });
 *     for await (const event of new Trainer({ task, training: { epochs: 3 } }).run()) …
 */
import { setImmediate } from 'node:timers/promises';
import { performance } from 'node:perf_hooks';
import { defaultGenerator, getNumThreads, noGrad, ops, optim, scope, type nn, type Tensor } from '@padnet/torch';
import type { z } from 'zod';
import { loadMachineRates } from '../compute/index.js';
import { annealedTemperature, setTemperature, temperatureRouters } from '../dynamic/index.js';
import { InputError, NonFiniteError, reasonOf } from '../errors.js';
import { loadCompactStateDict } from '../layers/index.js';
import { partitionSettings, saliencyOf, searchLayers, type Partition, type Saliency } from '../partition/index.js';
import { peakMemory } from '../memory.js';
import type { Ranks } from '../ranks.js';
import { holdFolder } from '../runs/folderLock.js';
import { median } from '../statistics.js';
import { BestNetwork } from './bestNetwork.js';
import {
  digestOfLine,
  loadLatestCheckpoint,
  progressAt,
  saveCheckpoint,
  type Checkpoint,
  type Progress,
} from '../runs/checkpoint.js';
import {
  epochScore,
  isMetric,
  type Change,
  type ChangedEvent,
  type EpochEvent,
  type RouterStatistics,
  type StepEvent,
  type TestResult,
  type TrainingEvent,
  type UncheckedEvent,
  type ValidationResult,
} from '../runs/events.js';
import { assertUnchanged, changesSince, fingerprintOf, type Fingerprint } from '../runs/fingerprint.js';
import { checkHistory, NO_EVENTS, type History } from '../runs/history.js';
import {
  assertFinite,
  assertFiniteEvent,
  assertFiniteOutput,
  describeGradients,
  findNonFinite,
  noLayer,
  NonFiniteLossError,
} from './nonFinite.js';
import { learningRateSchedule } from './optimizer.js';
import { stepOptimizer, type StepOptimizer } from './shardedOptimizer.js';
import { parseOptions } from '../recipe/parseOptions.js';
import { assertKernelsToChoose } from '../recipe/partitionForesight.js';
import { assertPartitionPossible, partitionedOptimizer, partitionOf, partitionStep } from './partitionStep.js';
import {
  partitionSchema,
  trainingSchema,
  validationNeeded,
  type PartitionOptions,
  type TrainingOptions,
} from '../recipe/recipe.js';
import { meanStatistics } from './routerStatistics.js';
import type { BatchSource, Evaluation, SampleBatch, Task } from './task.js';
import { RankedSteps, sharedCheckpoint } from './rankedSteps.js';
import { WeightAverage } from './weightAverage.js';

export interface TrainerOptions {
  readonly task: Task;
  /** As in a recipe. */
  readonly training: z.input<typeof trainingSchema>;
  /** Given where the network has partial layers. */
  readonly partition?: z.input<typeof partitionSchema> | undefined;
  /**
   * A score of one's own, instead of the one that `partition.saliency` names; needed where that names a file
   * (`loadSaliency`).
   */
  readonly saliency?: Saliency;
  /** Masks that were found before: they are applied at the partition's epoch instead of searching. */
  readonly masks?: Partition | undefined;
  /** Folder for checkpoints, which is held while it trains; without it, none are written. */
  readonly checkpoints?: string;
  /**
   * All that decides the run beside its data, as in a recipe: kept with checkpoints.
   *
   * @default `training` and `partition`
   */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** The processes that train together, of which this is one; without, it is the only one. */
  readonly ranks?: Ranks | undefined;
  /** Called with the masks as soon as they are found, before the checkpoint that contains them. */
  readonly onPartition?: (partition: Partition) => void;
}

export interface ResumeOptions {
  /** Go on also where what decides the bits of the run has changed; a `changed` event tells of it. @default false */
  readonly allowChanges?: boolean;
  /** The events that have been told, to be checked. */
  readonly history?: History;
}

/** A batch whose gradients are taken. */
interface BatchResult {
  /** Of the whole batch. */
  readonly size: number;
  /** Mean over this rank's part of it, and what that counts in the mean over the batch. */
  readonly loss: number;
  readonly share: number;
  readonly routing: RouterStatistics | null;
  readonly temperature: number | null;
  readonly seconds: number;
}

/** The result by which an epoch is told; neither where no samples are held out. */
interface EpochResult {
  readonly validation?: ValidationResult;
  readonly test?: TestResult;
}

type Remark = ChangedEvent | UncheckedEvent;

/** The progress of an epoch that begins. */
const newEpoch = { batch: 0, lossSum: 0, samples: 0, stepSeconds: 0, waitSeconds: 0 };

export class Trainer {
  readonly network: nn.Module;
  readonly totalSteps: number;
  readonly stepsPerEpoch: number;
  readonly #task: Task;
  readonly #training: TrainingOptions;
  readonly #partition: PartitionOptions | null;
  readonly #saliency: Saliency;
  readonly #checkpoints: string | null;
  readonly #settings: Readonly<Record<string, unknown>>;
  readonly #ranked: RankedSteps | null;
  #fingerprint: Fingerprint | null = null;
  readonly #onPartition: (partition: Partition) => void;
  readonly #loader: BatchSource<SampleBatch>;
  #optimizer: StepOptimizer;
  #schedule: optim.Schedule;
  readonly #masks: Partition | null;
  /** Shapes of the layers that are partitioned, by path. */
  readonly #shapes: ReadonlyMap<string, readonly number[]>;
  /** With `earlyStopping`. */
  readonly #best: BestNetwork | null;
  /** With `ema`. */
  readonly #average: WeightAverage | null;
  /** Where the run stands, as checkpoints have it. */
  #progress: Progress;
  /** The events told by the newest checkpoint. */
  #savedEvents: number | null = null;
  /** The newest batch of this session. */
  #lastBatch: SampleBatch | null = null;
  /** The remarks that are told first: about the checkpoint that it goes on from. */
  #remarks: Remark[] = [];

  /** @throws InputError where network and partition do not go together, or an option is out of range */
  constructor(options: TrainerOptions) {
    const { task, checkpoints = null } = options;
    const { network } = task;
    loadMachineRates();
    this.#training = parseOptions('training', trainingSchema, options.training);
    this.#partition = options.partition ? parseOptions('partition', partitionSchema, options.partition) : null;
    this.#masks = options.masks ?? null;
    if (this.#partition) assertPartitionPossible(network, this.#partition, this.#masks); // now, not epochs later
    this.network = network;
    this.#task = task;
    this.#saliency = options.saliency ?? saliencyOf(this.#partition?.saliency ?? 'maskGradient', {});
    this.#checkpoints = checkpoints;
    this.#settings = options.settings ?? {
      training: this.#training,
      ...(this.#partition && { partition: this.#partition }),
    };
    this.#onPartition = options.onPartition ?? (() => undefined);
    const { seed, accumulation, epochs, epochScore: scoredOn, earlyStopping, ema } = this.#training;
    if (earlyStopping && scoredOn === 'validation' && task.hasValidation !== true)
      throw new InputError(`training.earlyStopping: ${validationNeeded}`);
    this.#best = earlyStopping ? new BestNetwork(earlyStopping.patience) : null;
    this.#average = ema === undefined ? null : new WeightAverage(network, ema);
    this.#ranked = options.ranks ? new RankedSteps(options.ranks, network, this.#training) : null;
    this.#loader = task.openLoader(seed, options.ranks?.group);
    this.stepsPerEpoch = Math.ceil(this.#loader.batchesPerEpoch / accumulation);
    this.totalSteps = this.stepsPerEpoch * epochs;
    this.#optimizer = stepOptimizer(network, this.#training, options.ranks ?? null);
    this.#schedule = learningRateSchedule(this.#training, this.stepsPerEpoch);
    this.#shapes = new Map(Array.from(searchLayers(network), ([path, { shape }]) => [path, shape]));
    const { scheduleStart } = this.#training;
    this.#progress = {
      ...{ step: 0, epoch: 0, partitioned: false, scheduleStart, events: 0, history: NO_EVENTS, trainingSeconds: 0 },
      ...newEpoch,
    };
  }

  /** Events of the run (not of its sessions, see `isMetric`) told so far, those before `resume` included. */
  get events(): number {
    return this.#progress.events;
  }

  /** The fingerprint of all that decides the bits of the run. */
  get fingerprint(): Fingerprint {
    return (this.#fingerprint ??= fingerprintOf(this.#settings, {
      network: this.network,
      parts: { ...this.#task.fingerprint?.(), ...(this.#ranked && { ranks: String(this.#ranked.ranks.size) }) },
      masks: this.#masks,
    }));
  }

  /**
   * The masks of a network that has been partitioned, as a checkpoint knows them: without rounds and scores; null
   * before.
   */
  get partition(): Partition | null {
    if (!this.#partition || !this.#progress.partitioned) return null;
    if (this.#masks) return this.#masks;
    const settings = { ...this.#partition, saliency: this.#saliency.name, seed: this.#training.seed };
    return partitionOf(this.network, this.#shapes, partitionSettings(settings));
  }

  /**
   * Continues from the newest checkpoint of the folder: bit for bit where the run would stand had it not been
   * interrupted.
   *
   * @returns of the lines of `history` those up to the checkpoint, none where it is not given; null where there is no
   *   checkpoint
   * @throws InputError where it is damaged or of another network, or where what decides the bits of the run has changed
   */
  resume({ allowChanges = false, history }: ResumeOptions = {}): readonly string[] | null {
    const ranks = this.#ranked?.ranks;
    const isFirst = !ranks || ranks.rank === 0;
    if (this.#checkpoints === null && isFirst)
      throw new InputError('a trainer without checkpoints has nothing to resume from');
    return scope(() => {
      const own = this.#checkpoints === null ? null : loadLatestCheckpoint(this.#checkpoints);
      const checkpoint = ranks ? sharedCheckpoint(ranks, own) : own;
      if (!checkpoint) return null;
      const { file, state, tensors } = checkpoint;
      const told = history && checkHistory(history, state, allowChanges);
      const changes = isFirst ? this.#changesSince(checkpoint) : []; // the others look whether they are as the first
      if (!allowChanges) assertUnchanged(withoutRanks(changes), file);
      if (told?.change) changes.push(told.change);
      const random = tensors.get('random');
      if (!random) throw new InputError(`${file}: the checkpoint has no random state`);
      try {
        const weights = withoutPrefix(tensors, 'network.');
        if (state.partitioned) {
          loadCompactStateDict(this.network, weights);
          this.#optimizer = stepOptimizer(this.network, this.#training, ranks ?? null);
        } else this.network.loadStateDict(weights);
        this.#optimizer.loadStateDict({ tensors: withoutPrefix(tensors, 'optimizer.'), numbers: state.optimizer });
        this.#average?.load(state.averageUpdates, withoutPrefix(tensors, 'average.'));
      } catch (error) {
        throw new InputError(`${file} is of another network: ${reasonOf(error)}`, { cause: error });
      }
      defaultGenerator.setState(random);
      const events = told?.lines.length ?? state.events;
      this.#progress = progressAt(state, { events, history: told?.digest ?? state.history ?? NO_EVENTS });
      this.#savedEvents = events;
      // What the run was begun with, whatever the default is now.
      const { scheduleStart } = state;
      this.#schedule = learningRateSchedule({ ...this.#training, scheduleStart }, this.stepsPerEpoch);
      if (state.best) this.#best?.load(state.best, withoutPrefix(tensors, 'best.'));
      if (changes.length > 0)
        this.#remarks.push({ type: 'changed', epoch: state.epoch + 1, step: state.step, changes });
      if (!state.fingerprint) this.#remarks.push({ type: 'unchecked', file });
      if (ranks) this.#remarks = ranks.group.broadcastJson(this.#remarks) as Remark[];
      return told?.lines ?? [];
    });
  }

  /**
   * @throws InputError where an older version has not kept what it was, and it cannot be of this recipe and these data
   */
  #changesSince({ file, state }: Checkpoint): Change[] {
    if (state.fingerprint) return changesSince(state.fingerprint, this.fingerprint);
    const { step, epoch, batch } = state;
    if (step === epoch * this.stepsPerEpoch + Math.ceil(batch / this.#training.accumulation)) return [];
    throw new InputError(
      `${file}: damaged, or of another recipe or other data: after ${epoch} epochs and ${batch} batches it is at ` +
        `step ${step}, and an epoch has ${this.stepsPerEpoch} steps`,
    );
  }

  /**
   * Trains to the end, or until `signal` is aborted: then the step under way is finished and saved.
   *
   * @throws NonFiniteLossError where a number is not finite: of the loss, the gradients' norm, the scores of a
   * partition, the test; the last checkpoint stays
   */
  async *run({ signal }: { readonly signal?: AbortSignal | undefined } = {}): AsyncGenerator<
    TrainingEvent,
    void,
    undefined
  > {
    try {
      using _hold = this.#checkpoints === null ? null : await holdFolder(this.#checkpoints);
      const progress = this.#progress;
      this.#ranked?.begin(this.fingerprint, this.#optimizer);
      for await (const event of this.#session(this.#ranked?.ranks.signal ?? signal)) {
        if (isMetric(event)) {
          assertFiniteEvent(event, progress.step);
          progress.events++;
          progress.history = digestOfLine(progress.history, JSON.stringify(event));
        }
        yield event;
      }
    } finally {
      await this.#loader.close();
    }
  }

  async *#session(signal: AbortSignal | undefined): AsyncGenerator<TrainingEvent, void, undefined> {
    const progress = this.#progress;
    if (this.#partition && !progress.partitioned && !this.#masks)
      assertKernelsToChoose(this.network, { ...this.#partition, saliency: this.#saliency.name });
    const { epochs } = this.#training;
    /** That of the newest epoch of this session. */
    let result: EpochResult | null = null;
    yield* this.#remarks.splice(0);
    while (progress.epoch < epochs && !this.#best?.hasStoppedImproving(progress.epoch)) {
      if (signal?.aborted) return yield* this.#interrupt();
      yield* this.#partitionIfDue(signal);
      if (signal?.aborted) return yield* this.#interrupt();
      const stepSeconds: number[] = [];
      for await (const step of this.#trainEpoch()) {
        stepSeconds.push(step.seconds);
        yield step;
        yield* this.#partitionIfDue(signal);
        if (signal?.aborted) return yield* this.#interrupt();
        if (progress.step % this.#training.checkpointSteps === 0 && progress.batch < this.#loader.batchesPerEpoch)
          yield* this.#save();
      }
      result = await (this.#average?.during(() => this.#scoreEpoch(signal)) ?? this.#scoreEpoch(signal));
      if (result === null) return yield* this.#interrupt();
      const event = this.#finishEpoch(stepSeconds, result);
      const score = epochScore(event);
      // Before the partition it is another network.
      if (score && (!this.#partition || progress.partitioned))
        this.#best?.offer(this.#keptWeights(), { score: score.score, epoch: progress.epoch });
      yield event;
      yield* this.#save();
    }
    this.#ranked?.gatherExperts(this.#optimizer);
    // Everything is saved by now: a run that is interrupted in a last test goes on from the weights that were trained.
    if (this.#average) this.network.loadStateDict(this.#keptWeights());
    if (this.#best?.restore(this.network, progress.epoch)) result = null;
    result ??= await this.#scoreEpoch(signal);
    const test = result && (result.test ?? (await this.#test(signal)));
    if (test === null) return yield* this.#interrupt();
    const { epoch, step, trainingSeconds } = progress;
    const results = { ...result?.validation, ...test };
    yield { type: 'finished', epoch, step, ...results, peakMemoryBytes: peakMemory(), trainingSeconds };
  }

  /** The weights that are tested and kept at this step. */
  #keptWeights(): ReadonlyMap<string, Tensor> {
    return this.#average?.stateDict() ?? this.network.stateDict();
  }

  /** The rest of the epoch under way, step by step. */
  async *#trainEpoch(): AsyncGenerator<StepEvent> {
    const { accumulation } = this.#training;
    const { batchesPerEpoch } = this.#loader;
    this.network.train();
    let gathered: BatchResult[] = [];
    let waited = this.#loader.waitSeconds;
    for await (const batch of this.#loader.epoch(this.#progress.epoch, { startBatch: this.#progress.batch })) {
      // At once: the loader prepares the next batch meanwhile, and no more than one is held.
      const isLast = gathered.length + 1 === accumulation || batch.index + 1 === batchesPerEpoch;
      gathered.push(this.#backward(batch, gathered[0]?.size, isLast));
      if (isLast) {
        const event = this.#trainStep(gathered);
        this.#progress.batch = batch.index + 1;
        this.#lastBatch = batch;
        this.#progress.waitSeconds += this.#loader.waitSeconds - waited;
        waited = this.#loader.waitSeconds;
        gathered = [];
        yield event;
      }
      await setImmediate(); // signals, timers and other work get their turn
    }
  }

  /**
   * Adds the gradients of a batch's mean loss, weighted by its size over `firstSize`.
   *
   * @param isLast whether a step follows
   */
  #backward(batch: SampleBatch, firstSize: number | undefined, isLast: boolean): BatchResult {
    const start = performance.now();
    const temperature = this.#setTemperature();
    const { size, share } = this.#ranked?.wholeOf(batch) ?? { size: batch.size, share: 1 };
    const weight = (share * size) / (firstSize ?? size);
    const compute = (): Pick<BatchResult, 'loss' | 'routing'> => {
      const { loss: batchLoss, routing } = this.#task.loss(batch);
      const loss = batchLoss.item();
      if (!Number.isFinite(loss))
        throw new NonFiniteLossError(
          this.#progress.step + 1,
          this.#ranked?.hasWholeNetwork === false
            ? 'with training.distributed.shardExperts it is not known in which layer'
            : (findNonFinite(this.network, () => this.#task.output(batch)) ?? noLayer),
        );
      (weight === 1 ? batchLoss : batchLoss.mul(weight)).backward();
      return { loss, routing };
    };
    const result = scope(() => this.#ranked?.compute(batch, this.#progress.epoch, isLast, compute) ?? compute());
    return { ...result, size, share, temperature, seconds: (performance.now() - start) / 1000 };
  }

  /** With the gradients of some batches, weighted by their sizes over the first one's. */
  #trainStep(batches: readonly BatchResult[]): StepEvent {
    const start = performance.now();
    const { clipGradNorm, learningRate } = this.#training;
    const [{ size: firstSize, temperature }] = batches as [BatchResult];
    const sum = (value: (batch: BatchResult) => number): number => batches.reduce((all, each) => all + value(each), 0);
    const samples = sum(({ size }) => size);
    const ownLosses = sum(({ loss, share, size }) => loss * share * size);
    const lossSum = this.#ranked?.ranks.group.sum([ownLosses])[0] ?? ownLosses;
    const progress = this.#progress;
    const factor = this.#schedule(progress.step);
    this.#optimizer.learningRateScale = factor;
    scope(() => {
      if (batches.length > 1) scaleGradients(this.network, firstSize / samples);
      if (clipGradNorm !== undefined) {
        const norm =
          this.#ranked?.clipGradNorm(clipGradNorm) ?? optim.clipGradNorm(this.network.parameters(), clipGradNorm);
        if (!Number.isFinite(norm)) {
          const where = describeGradients(this.network);
          throw new NonFiniteLossError(progress.step + 1, where, 'the norm of the gradients');
        }
      }
      this.#optimizer.step();
      this.#average?.update();
      this.network.zeroGrad();
    });
    const seconds = (performance.now() - start) / 1000 + sum((batch) => batch.seconds);
    progress.step++;
    progress.lossSum += lossSum;
    progress.samples += samples;
    progress.stepSeconds += seconds;
    progress.trainingSeconds += seconds;
    return {
      type: 'step',
      epoch: progress.epoch + 1,
      step: progress.step,
      totalSteps: this.totalSteps,
      loss: lossSum / samples,
      learningRate: learningRate * factor,
      temperature,
      routing: meanStatistics(batches.flatMap(({ routing }) => routing ?? [])),
      samples,
      seconds,
    };
  }

  /** null in a network without kernel attention. */
  #setTemperature(): number | null {
    if (temperatureRouters(this.network).length === 0) return null;
    const { start, end, epochs } = this.#training.temperature;
    const steps = epochs * this.stepsPerEpoch;
    const temperature = annealedTemperature(this.#progress.step, { start, end, steps });
    setTemperature(this.network, temperature);
    return temperature;
  }

  /** What an epoch is scored by: nothing where no samples are held out. Null where it was aborted. */
  async #scoreEpoch(signal: AbortSignal | undefined): Promise<EpochResult | null> {
    if (this.#training.epochScore === 'test') {
      const test = await this.#test(signal);
      return test && { test };
    }
    if (this.#task.hasValidation !== true) return {};
    const evaluation = await this.#evaluate('validation', signal);
    if (evaluation === null) return null;
    const { metric, score, metrics, loss } = evaluation;
    return { validation: { metric, validationScore: score, validationMetrics: metrics, validationLoss: loss } };
  }

  /** Null where it was aborted. */
  async #test(signal: AbortSignal | undefined): Promise<TestResult | null> {
    const evaluation = await this.#evaluate('test', signal);
    if (evaluation === null) return null;
    const { metric, score, metrics, loss } = evaluation;
    return { metric, testScore: score, testMetrics: metrics, testLoss: loss };
  }

  /** Null where it was aborted. */
  async #evaluate(on: 'validation' | 'test', signal: AbortSignal | undefined): Promise<Evaluation | null> {
    const start = performance.now();
    const evaluate = (): Promise<Evaluation> => this.#task.evaluate({ on, signal, ranks: this.#ranked?.ranks });
    try {
      const evaluation = await (this.#ranked?.withExperts(evaluate) ?? evaluate());
      if (!Number.isFinite(evaluation.loss)) throw new NonFiniteError(`the ${on} loss`, noLayer);
      this.#progress.trainingSeconds += (performance.now() - start) / 1000;
      return evaluation;
    } catch (error) {
      if (signal?.aborted) return null;
      throw this.#atStep(error);
    }
  }

  /** The errors of a task tell no step. */
  #atStep(error: unknown): unknown {
    return error instanceof NonFiniteError
      ? new NonFiniteLossError(this.#progress.step, error.where, error.what)
      : error;
  }

  /** @param sessionSeconds each step's, of this session */
  #finishEpoch(sessionSeconds: readonly number[], result: EpochResult): EpochEvent {
    const progress = this.#progress;
    const { lossSum, samples, stepSeconds, waitSeconds } = progress;
    const seconds = stepSeconds + waitSeconds;
    const event: EpochEvent = {
      type: 'epoch',
      epoch: progress.epoch + 1,
      epochs: this.#training.epochs,
      step: progress.step,
      trainLoss: lossSum / samples,
      ...result.validation,
      ...result.test,
      samplesPerSecond: seconds > 0 ? samples / seconds : 0,
      // Resumed after the epoch's last step, only the sum is known.
      stepSeconds: sessionSeconds.length > 0 ? median(sessionSeconds) : stepSeconds / this.stepsPerEpoch,
      waitSeconds,
    };
    Object.assign(progress, newEpoch, { epoch: event.epoch });
    return event;
  }

  async *#partitionIfDue(signal: AbortSignal | undefined): AsyncGenerator<TrainingEvent, void, undefined> {
    const partition = this.#partition;
    const { step, batch, partitioned } = this.#progress;
    if (!partition || partitioned) return;
    if (batch === this.#loader.batchesPerEpoch) return; // the epoch's test comes first, also where it was interrupted
    // Whatever the rounding, a step with the masks remains.
    if (step < Math.min(Math.round(partition.epoch * this.stepsPerEpoch), this.totalSteps - 1)) return;
    // Aborted, the search leaves the mean in the static weight: a run is then resumed from here.
    if (this.#savedEvents !== this.#progress.events) yield* this.#save();
    yield* this.#runPartition(partition, signal);
    this.network.train();
  }

  async *#runPartition(
    options: PartitionOptions,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<TrainingEvent, void, undefined> {
    const { step, epoch } = this.#progress;
    const { seed } = this.#training;
    this.#ranked?.gatherExperts(this.#optimizer);
    const done = await partitionStep(this.#task, options, {
      ...{ step, epoch, seed, saliency: this.#saliency, masks: this.#masks, signal, ranks: this.#ranked?.ranks },
    }).catch((error: unknown) => {
      if (signal?.aborted) return null; // the run is resumed from before the partition
      throw this.#atStep(error);
    });
    if (!done) return;
    const { partition, events, seconds } = done;
    this.#optimizer = partitionedOptimizer(
      this.#optimizer,
      partition,
      this.network,
      this.#training,
      this.#ranked?.ranks ?? null,
    );
    this.#ranked?.networkChanged(this.#optimizer);
    this.#average?.restart();
    this.#onPartition(partition);
    this.#progress.partitioned = true;
    this.#progress.trainingSeconds += seconds;
    yield* events;
    yield* this.#save();
  }

  *#interrupt(): Generator<TrainingEvent, void, undefined> {
    const { epoch, step, events } = this.#progress;
    if (this.#savedEvents !== events) yield* this.#save();
    yield { type: 'interrupted', epoch: epoch + 1, step };
  }

  *#save(): Generator<TrainingEvent, void, undefined> {
    const { step, events } = this.#progress;
    const ranked = this.#ranked;
    const sharesExperts = ranked?.hasWholeNetwork === false;
    ranked?.gatherExperts(this.#optimizer);
    ranked?.assertSameWeights(step);
    const folder = this.#checkpoints;
    const file = scope(() => {
      const optimizer = this.#optimizer.stateDict(); // of all ranks, to which each may add its part
      if (folder === null) return null;
      const parts = {
        network: this.network.stateDict(),
        optimizer: optimizer.tensors,
        average: this.#average?.tensors ?? [],
        best: this.#best?.tensors ?? [],
      };
      const tensors = new Map<string, Tensor>();
      for (const [part, named] of Object.entries(parts))
        for (const [name, value] of named) tensors.set(`${part}.${name}`, value);
      assertFinite(tensors, step);
      const batch = this.#lastBatch;
      if (batch !== null) assertFiniteOutput(this.network, () => this.#task.output(batch), step);
      tensors.set('random', defaultGenerator.getState());
      return saveCheckpoint(
        folder,
        {
          ...this.#progress,
          averageUpdates: this.#average?.updates ?? 0,
          best: this.#best?.state ?? null,
          optimizer: optimizer.numbers,
          threads: getNumThreads(),
          fingerprint: this.fingerprint,
        },
        tensors,
      );
    });
    if (sharesExperts) ranked.shareExperts(this.#optimizer);
    this.#savedEvents = events;
    if (file !== null) yield { type: 'checkpoint', step, file };
  }
}

function scaleGradients(network: nn.Module, factor: number): void {
  const gradients = network.parameters().flatMap(({ grad }) => grad ?? []);
  noGrad(() => {
    ops._foreachMul_(gradients, factor);
  });
}

/** A checkpoint, or what is kept with one, does not depend on the number of ranks: fewer or more may go on with it. */
function withoutRanks(changes: readonly Change[]): readonly Change[] {
  const isOther = changes.some(({ what }) => what === 'ranks');
  return isOther ? changes.filter(({ what }) => what !== 'ranks' && what !== 'threads') : changes;
}

/** The tensors whose names begin with `prefix`, under the rest of their names. */
function withoutPrefix(tensors: ReadonlyMap<string, Tensor>, prefix: string): Map<string, Tensor> {
  return new Map(
    [...tensors].filter(([name]) => name.startsWith(prefix)).map(([name, value]) => [name.slice(prefix.length), value]),
  );
}
