/** Accuracy and loss of a network on pictures. */
import { nn, noGrad, scope, type Device } from '@padnet/torch';
import { DataLoader, type ImageDataset, type ImageTransform, type OnBadPicture } from '../../data/index.js';
import { InputError } from '../../errors.js';
import type { Ranks } from '../../ranks.js';
import { batchTensors } from './batchTensors.js';
import { classificationLoss } from './classificationLoss.js';
import { nonFiniteError } from '../nonFinite.js';
import type { Evaluation } from '../task.js';

export interface EvaluateOptions {
  /** @default as many as have 2²⁰ pixels, 256 at most */
  readonly batchSize?: number;
  /** The transform that the network was trained with, but for its random parts. @default pixels from 0 to 1 */
  readonly normalise?: ImageTransform['normalise'];
  /** @default 'cpu' */
  readonly device?: Device;
  /** As of a `DataLoader`. @default 0 */
  readonly numWorkers?: number;
  /** Told of each picture that is left out; absent: they are an error. */
  readonly onBadPicture?: OnBadPicture | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Each evaluates its part of every batch, and gets the result of all. */
  readonly ranks?: Ranks | undefined;
}

/**
 * Evaluates in evaluation mode; the network's mode is left as it was. Yields to the event loop after every batch.
 * Pictures that are left out count for nothing; their prediction is NaN.
 *
 * @throws NonFiniteError naming the layer where the loss of a batch is not finite
 */
export async function evaluate(
  network: nn.Layer,
  dataset: ImageDataset,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const { normalise, device = 'cpu', numWorkers = 0, onBadPicture, signal, ranks } = options;
  const fitting = Math.floor(2 ** 20 / (dataset.height * dataset.width));
  const { batchSize = Math.max(1, Math.min(256, fitting)) } = options;
  const share = ranks?.group;
  await using loader = new DataLoader({
    dataset,
    batchSize,
    numWorkers,
    transform: { normalise },
    onBadPicture,
    share,
  });
  using _mode = nn.evaluationMode(network);
  const predictions = new Float32Array(dataset.length);
  const isSeen = new Float32Array(dataset.length);
  /** Correct ones, and the sum of losses. */
  const sums = new Float64Array(2);
  for await (const batch of loader.epoch(0)) {
    ranks?.agree();
    signal?.throwIfAborted();
    // What all ranks have whole, the first one counts.
    if (batch.size === 0 || (ranks && ranks.rank > 0 && !batch.isPart)) continue;
    scope(() => {
      noGrad(() => {
        const { images, labels } = batchTensors(batch, dataset, device);
        const logits = network.forward(images);
        const batchLoss = classificationLoss(logits, labels).item();
        if (!Number.isFinite(batchLoss))
          throw nonFiniteError(network, `the loss on ${dataset.name}`, () => network.forward(images));
        sums[1]! += batchLoss * batch.size;
        const chosen = logits.argmax({ dim: 1 }).toTypedArray() as BigInt64Array;
        batch.sampleIndices.forEach((sample, position) => {
          predictions[sample] = Number(chosen[position]);
          isSeen[sample] = 1;
          if (predictions[sample] === batch.labels[position]) sums[0]!++;
        });
      });
    });
  }
  for (const values of [predictions, isSeen, sums]) ranks?.sum(values);
  const seen = isSeen.reduce((sum, one) => sum + one, 0);
  if (seen === 0) throw new InputError(`${dataset.name}: no picture can be decoded`);
  isSeen.forEach((one, sample) => {
    if (one === 0) predictions[sample] = NaN;
  });
  const [correct = 0, loss = 0] = sums;
  const accuracy = correct / seen;
  return { metric: 'accuracy', score: accuracy, metrics: { accuracy }, loss: loss / seen, predictions };
}
