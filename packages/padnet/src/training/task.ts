/**
 * The task of a `Trainer`: a network with its data, its loss and its metric. Pictures and sentences differ here,
 * and in how tasks are made (tasks/), and nowhere else in training.
 */
import type { nn, Tensor } from '@padnet/torch';
import type { Share } from '../data/index.js';
import type { Ranks } from '../ranks.js';
import type { RouterStatistics } from '../runs/events.js';

export interface SampleBatch {
  /** Its place in the epoch, from 0. */
  readonly index: number;
  /** Samples in it, or in this rank's part of it. */
  readonly size: number;
  /** Whether other ranks have other parts of the batch; else each that there are has all of it. @default false */
  readonly isPart?: boolean;
}

/** Batches by epoch, the same ones however often the epoch is begun. */
export interface BatchSource<Batch extends SampleBatch> {
  readonly batchesPerEpoch: number;
  /** Seconds that readers have waited so far. */
  readonly waitSeconds: number;
  epoch(epoch: number, options?: { readonly startBatch?: number }): AsyncIterable<Batch>;
  close(): Promise<void>;
}

export interface StepLoss {
  /** Mean over the batch, with everything that is minimised; a scalar. */
  readonly loss: Tensor;
  /** The routing of mixtures of experts; null where there are none. */
  readonly routing: RouterStatistics | null;
}

/** The loss of each batch of a partition set, computed anew at every call. */
export interface PartitionLosses extends Disposable {
  readonly batchLosses: readonly (() => Tensor)[];
  /** [channels, height, width] of an input; null where an input is more than a tensor. */
  readonly sampleShape: readonly number[] | null;
}

/** The result of a network on data that it was not trained on. */
export interface Evaluation {
  /** The name of the metric that the task is scored by, such as `accuracy` or `matthews`. */
  readonly metric: string;
  /** The value of `metric`; a fraction, 1 is best. */
  readonly score: number;
  /** Every metric of the task by name, `metric` included. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Mean over the samples of the loss that is trained with, without label smoothing. */
  readonly loss: number;
  /** The prediction for each sample, in the order of the data: a class, or a number in regression. */
  readonly predictions: Float32Array;
}

export interface EvaluationOptions {
  /** The samples. @default 'test' */
  readonly on?: 'validation' | 'test';
  readonly signal?: AbortSignal | undefined;
  /** Share the work, and each gets the result of all. */
  readonly ranks?: Ranks | undefined;
}

export interface Task<Batch extends SampleBatch = SampleBatch> {
  /** On its device. */
  readonly network: nn.Module;
  /**
   * The parts that tell, besides the settings, whether a run would still go on as it began: by name, such as `training
   * data`. A run whose task has none goes on whatever its data are.
   */
  fingerprint?(): Readonly<Record<string, string>>;
  /** @param share where each of several ranks gets its part of every batch */
  openLoader(seed: number, share?: Share): BatchSource<Batch>;
  /** In the mode that the network is in. */
  loss(batch: Batch): StepLoss;
  /** Output of the first samples of a batch, to see whether it is finite. */
  output(batch: Batch): Tensor;
  /** Whether training samples are held out, that epochs can be scored on. @default false */
  readonly hasValidation?: boolean;
  /** In evaluation mode; leaves the mode as it was. @throws where `signal` is aborted */
  evaluate(options?: EvaluationOptions): Promise<Evaluation>;
  /** The first `batches` of an epoch, without anything random. */
  partitionLosses(options: {
    readonly batches: number;
    readonly seed: number;
    readonly epoch: number;
  }): Promise<PartitionLosses>;
}
