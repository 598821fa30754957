/** Fine-tuning of a text encoder: cross-entropy of classes, squared error of numbers. */
import { fromTypedArray, nn, noGrad, ops, scope, type Device, type Tensor } from '@padnet/torch';
import {
  textFingerprint,
  TextLoader,
  textScore,
  type Share,
  type TextBatch,
  type TextDefinition,
  type TextPadding,
  type TokenisedDataset,
} from '../../data/index.js';
import { NonFiniteError } from '../../errors.js';
import { numberedLabels, type SequenceClassifier, type TextInputs } from '../../models/index.js';
import { nonFiniteError } from '../nonFinite.js';
import { recipeSettings } from '../../recipe/recipeSettings.js';
import { routerStatistics } from '../routerStatistics.js';
import { evaluatedSamples } from './evaluatedSamples.js';
import type { BatchSource, Evaluation, EvaluationOptions, PartitionLosses, StepLoss, Task } from '../task.js';

export interface TextSplits {
  readonly train: TokenisedDataset;
  /** For GLUE the development set: its test labels are not public. */
  readonly test: TokenisedDataset;
  /** Training texts that are held out; absent: none. */
  readonly validation?: TokenisedDataset | undefined;
  /** MNLI's second development set, where it is there. */
  readonly testMismatched: TokenisedDataset | null;
}

export interface TextTaskOptions {
  readonly network: SequenceClassifier;
  /** The classes that are predicted, and the metrics. */
  readonly definition: Pick<TextDefinition, 'classNames' | 'metrics'>;
  readonly splits: TextSplits;
  /** @default 32 */
  readonly batchSize?: number;
  /** @default 'longest' */
  readonly padding?: TextPadding;
  /** Batches of about the same length. @default true */
  readonly groupByLength?: boolean;
  /** @default 'cpu' */
  readonly device?: Device;
}

export class TextTask implements Task<TextBatch> {
  readonly network: SequenceClassifier;
  readonly hasValidation: boolean;
  readonly #definition: TextTaskOptions['definition'];
  readonly #splits: TextSplits;
  readonly #batchSize: number;
  readonly #padding: TextPadding;
  readonly #groupByLength: boolean;
  readonly #device: Device;

  constructor(options: TextTaskOptions) {
    const {
      network,
      definition,
      splits,
      batchSize = 32,
      padding = 'longest',
      groupByLength = true,
      device = 'cpu',
    } = options;
    this.network = network.to(device);
    this.#definition = definition;
    this.#splits = splits;
    this.hasValidation = splits.validation !== undefined;
    this.#batchSize = batchSize;
    this.#padding = padding;
    this.#groupByLength = groupByLength;
    this.#device = device;
  }

  fingerprint(): Readonly<Record<string, string>> {
    const { train, test, validation, testMismatched } = this.#splits;
    const { config } = this.network; // in which names of classes decide nothing
    return {
      'training data': textFingerprint(train),
      ...(validation && { 'validation data': textFingerprint(validation) }),
      'test data': textFingerprint(test),
      ...(testMismatched && { 'mismatched test data': textFingerprint(testMismatched) }),
      ...Object.fromEntries(recipeSettings({ encoder: { ...config, labels: numberedLabels(config.labels.length) } })),
      device: this.#device,
    };
  }

  openLoader(seed: number, share?: Share): BatchSource<TextBatch> {
    return this.#loader(this.#splits.train, { seed, share, shuffle: true });
  }

  loss(batch: TextBatch): StepLoss {
    const { logits, auxiliaryLoss, routing } = this.network.forward(textInputs(batch, this.#device));
    const loss = this.#labelLoss(logits, batch);
    return { loss: auxiliaryLoss ? loss.add(auxiliaryLoss) : loss, routing: routerStatistics(routing) };
  }

  output(batch: TextBatch): Tensor {
    return this.network.forward(textInputs(batch, this.#device)).logits;
  }

  async evaluate({ on = 'test', ...options }: EvaluationOptions = {}): Promise<Evaluation> {
    const { testMismatched } = this.#splits;
    const evaluation = await this.#evaluateOn(evaluatedSamples(this.#splits, on), options);
    if (on === 'validation' || !testMismatched) return evaluation;
    const { score } = await this.#evaluateOn(testMismatched, options);
    return { ...evaluation, metrics: { ...evaluation.metrics, mismatchedAccuracy: score } };
  }

  async partitionLosses(options: { batches: number; seed: number; epoch: number }): Promise<PartitionLosses> {
    await using loader = this.#loader(this.#splits.train, { seed: options.seed, shuffle: true });
    const batches: TextBatch[] = [];
    for await (const batch of loader.epoch(options.epoch)) {
      if (batches.length === options.batches) break;
      batches.push(batch);
    }
    return {
      batchLosses: batches.map(
        (batch) => () => this.#labelLoss(this.network.forward(textInputs(batch, this.#device)).logits, batch),
      ),
      sampleShape: null,
      [Symbol.dispose]: () => undefined, // batches are plain arrays
    };
  }

  #loader(
    dataset: TokenisedDataset,
    options: { readonly seed?: number; readonly share?: Share | undefined; readonly shuffle: boolean },
  ): TextLoader {
    return new TextLoader({
      dataset,
      batchSize: this.#batchSize,
      padding: this.#padding,
      groupByLength: this.#groupByLength,
      ...options,
    });
  }

  #labelLoss(logits: Tensor, { labels, size }: TextBatch): Tensor {
    if (labels === null) throw new Error('the batch has no labels');
    const targets = fromTypedArray(labels, [size], { device: this.#device });
    return this.#definition.classNames === null
      ? ops.mseLoss(logits.reshape([-1]), targets)
      : ops.crossEntropyLoss(logits, targets.to('int64'));
  }

  #evaluateOn(dataset: TokenisedDataset, options: EvaluationOptions): Promise<Evaluation> {
    return evaluateTexts(this.network, dataset, this.#definition, { ...options, device: this.#device });
  }
}

/**
 * Score and loss of a network on labelled texts, in evaluation mode.
 *
 * @throws NonFiniteError where an output or the loss is no finite number
 */
export async function evaluateTexts(
  network: SequenceClassifier,
  dataset: TokenisedDataset,
  { metrics: names, classNames }: TextTaskOptions['definition'],
  options: PredictTextsOptions = {},
): Promise<Evaluation> {
  const predictions = await predictTexts(network, dataset, options);
  const chosen = predictedLabels(predictions, classNames !== null);
  const { metrics, score } = textScore(names, chosen, dataset.labels!);
  const loss = meanLoss(predictions, dataset.labels!, classNames !== null);
  if (!Number.isFinite(loss)) throw new NonFiniteError(`the loss on ${dataset.name}`, `it is ${loss}`);
  return { metric: names.join('/'), score, metrics, loss, predictions: chosen };
}

/** A batch as tensors: int64 [size, length] each. */
export function textInputs(batch: TextBatch, device: Device = 'cpu'): TextInputs {
  const shape = [batch.size, batch.length];
  const tensor = (values: BigInt64Array): Tensor => fromTypedArray(values, shape, { device });
  return {
    inputIds: tensor(batch.inputIds),
    attentionMask: tensor(batch.attentionMask),
    tokenTypeIds: tensor(batch.tokenTypeIds),
  };
}

export interface PredictTextsOptions extends EvaluationOptions {
  /** @default 'cpu' */
  readonly device?: Device;
}

/** Logits of a data set, in its order. */
export interface TextPredictions {
  /** [length, numLabels], row by row */
  readonly logits: Float32Array;
  readonly numLabels: number;
}

/**
 * In evaluation mode; leaves the mode as it was. Yields to the event loop after every batch.
 *
 * @throws NonFiniteError naming the text whose logits are not all finite, of which no answer can be made, and the layer
 */
export async function predictTexts(
  network: SequenceClassifier,
  dataset: TokenisedDataset,
  { device = 'cpu', signal, ranks }: PredictTextsOptions = {},
): Promise<TextPredictions> {
  const numLabels = network.config.labels.length;
  const logits = new Float32Array(dataset.length * numLabels);
  using _mode = nn.evaluationMode(network);
  await using loader = new TextLoader({ dataset, batchSize: 64, groupByLength: true, share: ranks?.group });
  for await (const batch of loader.epoch(0)) {
    ranks?.agree();
    signal?.throwIfAborted();
    if (ranks && ranks.rank > 0 && !batch.isPart) continue; // all have it, and the first one tells
    const rows = scope(() =>
      noGrad(() => network.forward(textInputs(batch, device)).logits.toTypedArray() as Float32Array),
    );
    const wrong = rows.findIndex((value) => !Number.isFinite(value));
    if (wrong >= 0) {
      const text = batch.sampleIndices[Math.floor(wrong / numLabels)]! + 1;
      const forward = (): unknown => network.forward(textInputs(batch, device));
      throw nonFiniteError(network, `${dataset.name}: the network's output for text ${text}`, forward);
    }
    batch.sampleIndices.forEach((sample, position) => {
      logits.set(rows.subarray(position * numLabels, (position + 1) * numLabels), sample * numLabels);
    });
  }
  ranks?.sum(logits);
  return { logits, numLabels };
}

/** The class with the highest logit of each text, or where labels are scores, the logit itself. */
export function predictedLabels({ logits, numLabels }: TextPredictions, isClassification: boolean): Float32Array {
  if (!isClassification) return logits;
  return Float32Array.from({ length: logits.length / numLabels }, (_, row) => {
    const values = logits.subarray(row * numLabels, (row + 1) * numLabels);
    return values.indexOf(Math.max(...values));
  });
}

function meanLoss({ logits, numLabels }: TextPredictions, labels: Float32Array, isClassification: boolean): number {
  return scope(() => {
    const outputs = fromTypedArray(logits, [labels.length, numLabels]);
    const targets = fromTypedArray(labels, [labels.length]);
    return isClassification
      ? ops.crossEntropyLoss(outputs, targets.to('int64')).item()
      : ops.mseLoss(outputs.reshape([-1]), targets).item();
  });
}
