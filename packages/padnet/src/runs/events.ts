/**
 * The events that a training run tells, in the order in which they happen. They are plain data: they cross threads and
 * fill `metrics.jsonl`.
 */

/** The decisions of a network's mixtures of experts for a batch, as means over its layers. */
export interface RouterStatistics {
  /** Sum over the layers, as it is added to the loss. */
  readonly auxiliaryLoss: number;
  /** Entropy of a token's k gates over ln k: 1 where they are equal, 0 where one takes all (and where k is 1). */
  readonly gateEntropy: number;
  /** Entropy of the experts' shares of the gates over ln E: 1 where all are used evenly, 0 where one is used alone. */
  readonly loadEntropy: number;
}

/** The result of an evaluation on the training samples that are held out. */
export interface ValidationResult {
  /** The name of the metric that the task is scored by, such as `accuracy` or `matthews`. */
  readonly metric: string;
  /** The value of `metric`, a fraction. */
  readonly validationScore: number;
  /** All metrics of the task by name. */
  readonly validationMetrics: Readonly<Record<string, number>>;
  /** Mean over the samples, without label smoothing. */
  readonly validationLoss: number;
}

/** The result of an evaluation on the test data. */
export interface TestResult {
  /** The name of the metric that the task is scored by, such as `accuracy` or `matthews`. */
  readonly metric: string;
  /** The value of `metric`, a fraction. */
  readonly testScore: number;
  /** All metrics of the task by name. */
  readonly testMetrics: Readonly<Record<string, number>>;
  /** Mean over the test samples, without label smoothing. */
  readonly testLoss: number;
}

/** After an optimizer step. `epoch` counts from 1, `step` from 1 over the whole run. */
export interface StepEvent {
  readonly type: 'step';
  readonly epoch: number;
  readonly step: number;
  readonly totalSteps: number;
  /** Mean over the samples of the step. */
  readonly loss: number;
  readonly learningRate: number;
  /** The temperature of kernel attention; null in a network without it. */
  readonly temperature: number | null;
  /** The routing of mixtures of experts; null in a network without them. */
  readonly routing: RouterStatistics | null;
  /** Samples (pictures, sentences) in this step. */
  readonly samples: number;
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

/**
 * After an epoch. It is scored where samples are held out; on the test data in runs that were begun before there were
 * such samples.
 */
export interface EpochEvent extends Partial<ValidationResult>, Partial<Omit<TestResult, 'metric'>> {
  readonly type: 'epoch';
  readonly epoch: number;
  readonly epochs: number;
  readonly step: number;
  /** Mean over the epoch's samples, as trained on (with augmentation, mix-up, label smoothing and auxiliary losses). */
  readonly trainLoss: number;
  readonly samplesPerSecond: number;
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

/** Texts of a data set were longer than the network reads; told before the first step, once a data set. */
export interface TruncatedEvent {
  readonly type: 'truncated';
  /** The data set. */
  readonly name: string;
  /** How many of its texts lost tokens. */
  readonly count: number;
  /** Tokens of the longest. */
  readonly longest: number;
  readonly maxLength: number;
}

/** A picture that cannot be used is left out (`data.onBadPicture: skip`); told once in a session. */
export interface BadPictureEvent {
  readonly type: 'badPicture';
  readonly file: string;
  /** In words. */
  readonly reason: string;
  /** How many there have been in this session, this one included. */
  readonly count: number;
}

/** Some classes have no training picture; told before the first step. */
export interface EmptyClassesEvent {
  readonly type: 'emptyClasses';
  /** The data set. */
  readonly name: string;
  readonly classes: readonly string[];
  /** The number of all classes. */
  readonly numClasses: number;
}

/**
 * The weights that training starts from are for other classes, so the classifier is fresh; told before the first step.
 */
export interface NewClassifierEvent {
  readonly type: 'newClassifier';
  /** File or folder of the weights. */
  readonly pretrained: string;
  readonly pretrainedClasses: number;
  readonly classes: number;
}

/** Keys of an encoder's `config.json` are passed over, of which nothing is known; told before the first step. */
export interface UnknownKeysEvent {
  readonly type: 'unknownKeys';
  /** Folder of the encoder, or its name. */
  readonly pretrained: string;
  readonly keys: readonly string[];
}

/** A static network starts from the mean of a dynamic or partial one; told before the first step. */
export interface PretrainedFoldedEvent {
  readonly type: 'pretrainedFolded';
  /** Folder of the network. */
  readonly pretrained: string;
  /** Its kind: `dynamic` or `partial`. */
  readonly layer: string;
}

/** Where a run goes on although what decides its bits has changed: it is no longer what its recipe alone gives. */
export interface ChangedEvent {
  readonly type: 'changed';
  readonly epoch: number;
  readonly step: number;
  readonly changes: readonly Change[];
}

/** Something that is not what it was when a checkpoint was written. */
export interface Change {
  /** A recipe's key, or such as `training data` or `threads`. */
  readonly what: string;
  /** null where it was not there. */
  readonly before: string | null;
  readonly now: string | null;
}

/** The checkpoint that a run goes on from is of a version that did not keep what decides its bits. */
export interface UncheckedEvent {
  readonly type: 'unchecked';
  readonly file: string;
}

/** Stopped by the signal; the last step is saved. */
export interface InterruptedEvent {
  readonly type: 'interrupted';
  readonly epoch: number;
  readonly step: number;
}

/** With what the network that is kept reaches on the samples that are held out, where there are such. */
export interface FinishedEvent extends TestResult, Partial<Omit<ValidationResult, 'metric'>> {
  readonly type: 'finished';
  readonly epoch: number;
  readonly step: number;
  /** Largest resident memory of the process, bytes. */
  readonly peakMemoryBytes: number;
  /** Seconds of training of all sessions of the run together, evaluation and partition included. */
  readonly trainingSeconds: number;
}

/** An event about data and weights. */
export type PreparationEvent =
  TruncatedEvent | BadPictureEvent | EmptyClassesEvent | NewClassifierEvent | UnknownKeysEvent | PretrainedFoldedEvent;

export type TrainingEvent =
  | StepEvent
  | PartitionRoundEvent
  | PartitionEvent
  | EpochEvent
  | CheckpointEvent
  | PreparationEvent
  | ChangedEvent
  | UncheckedEvent
  | InterruptedEvent
  | FinishedEvent;

/** The events of a run, which are lines of `metrics.jsonl`: what each has as numbers, and as an object or a list. */
const contents = new Map<unknown, { readonly numbers: readonly string[]; readonly section?: string }>([
  ['step', { numbers: ['epoch', 'step', 'totalSteps', 'loss', 'learningRate', 'samples', 'seconds'] }],
  ['partitionRound', { numbers: ['epoch', 'step', 'round', 'rounds', 'keepRatio', 'dynamicRatio'] }],
  ['partition', { numbers: ['epoch', 'step', 'dynamicRatio', 'seconds'], section: 'dynamicRatioByLayer' }],
  ['changed', { numbers: ['epoch', 'step'], section: 'changes' }],
  ['epoch', { numbers: ['epoch', 'epochs', 'step', 'trainLoss'] }],
  ['finished', { numbers: ['epoch', 'step', 'testScore', 'testLoss', 'trainingSeconds'], section: 'testMetrics' }],
]);

/** What an epoch, or a whole run, was scored on, and how. */
export interface Score {
  readonly on: 'validation' | 'test';
  readonly metric: string;
  readonly score: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly loss: number;
}

/** The score of an epoch; null where it has none. */
export function epochScore(event: EpochEvent): Score | null {
  const { metric, validationScore, validationMetrics = {}, validationLoss } = event;
  if (metric === undefined) return null;
  if (validationScore !== undefined && validationLoss !== undefined)
    return { on: 'validation', metric, score: validationScore, metrics: validationMetrics, loss: validationLoss };
  const { testScore, testMetrics = {}, testLoss } = event;
  return testScore === undefined || testLoss === undefined
    ? null
    : { on: 'test', metric, score: testScore, metrics: testMetrics, loss: testLoss };
}

/** The event of a line of `metrics.jsonl`; null where it holds none. */
export function parseEvent(line: string): TrainingEvent | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const event = value as Readonly<Record<string, unknown>>;
  const content = contents.get(event.type);
  // Older versions wrote a loss that is not finite as null.
  if (!content?.numbers.every((name) => typeof event[name] === 'number' || event[name] === null)) return null;
  const section = content.section === undefined ? {} : event[content.section];
  return typeof section === 'object' && section !== null ? (value as TrainingEvent) : null;
}

/**
 * Whether an event is of the run, and a line of `metrics.jsonl`: those are the same however often a run was
 * interrupted. The others are of a session.
 */
export function isMetric({ type }: TrainingEvent): boolean {
  return contents.has(type);
}
