/** What a training run tells, in the order in which it happens. Plain data: events cross threads and fill `metrics.jsonl`. */

/** After an optimizer step. `epoch` counts from 1, `step` from 1 over the whole run. */
export interface StepEvent {
  readonly type: 'step';
  readonly epoch: number;
  readonly step: number;
  readonly totalSteps: number;
  /** Mean over the pictures of the step. */
  readonly loss: number;
  readonly learningRate: number;
  /** Of kernel attention; null in a static network. */
  readonly temperature: number | null;
  /** Pictures in this step. */
  readonly images: number;
  /** Seconds of computation, waiting for data not included. */
  readonly seconds: number;
}

/** After a round of Iterative Mode Partition. */
export interface PartitionRoundEvent {
  readonly type: 'partitionRound';
  readonly epoch: number;
  readonly step: number;
  readonly round: number;
  readonly rounds: number;
  readonly keepRatio: number;
  readonly dynamicRatio: number;
}

/** The masks are set and `partition.safetensors` is written. */
export interface PartitionEvent {
  readonly type: 'partition';
  readonly epoch: number;
  readonly step: number;
  readonly dynamicRatio: number;
  /** By layer path, in the order of the network. */
  readonly dynamicRatioByLayer: Readonly<Record<string, number>>;
  readonly seconds: number;
}

/** After an epoch. */
export interface EpochEvent {
  readonly type: 'epoch';
  readonly epoch: number;
  readonly epochs: number;
  readonly step: number;
  /** Mean over the epoch's pictures, as trained on (with augmentation, mix-up and label smoothing). */
  readonly trainLoss: number;
  /** Mean cross-entropy over the test pictures, without label smoothing. */
  readonly testLoss: number;
  /** Fraction. */
  readonly testAccuracy: number;
  readonly imagesPerSecond: number;
  /** Median seconds of the epoch's steps. */
  readonly stepSeconds: number;
  /** Seconds spent waiting for data. */
  readonly waitSeconds: number;
}

export interface CheckpointEvent {
  readonly type: 'checkpoint';
  readonly step: number;
  readonly file: string;
}

/** Stopped by the signal; the last step is saved. */
export interface InterruptedEvent {
  readonly type: 'interrupted';
  readonly epoch: number;
  readonly step: number;
}

export interface FinishedEvent {
  readonly type: 'finished';
  readonly epoch: number;
  readonly step: number;
  readonly testAccuracy: number;
  readonly testLoss: number;
  /** Largest resident memory of the process, bytes. */
  readonly peakMemoryBytes: number;
  /** Seconds of training of all sessions of the run together, evaluation and partition included. */
  readonly trainingSeconds: number;
}

export type TrainingEvent =
  StepEvent | PartitionRoundEvent | PartitionEvent | EpochEvent | CheckpointEvent | InterruptedEvent | FinishedEvent;

/**
 * Whether an event is of the run, and a line of `metrics.jsonl`: those are the same however often a run was interrupted. The
 * others are of a session.
 */
export function isMetric({ type }: TrainingEvent): boolean {
  return type !== 'checkpoint' && type !== 'interrupted';
}
