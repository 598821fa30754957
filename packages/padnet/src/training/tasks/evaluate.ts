/** Accuracy and loss of a network on pictures. */
import { nn, noGrad, scope, type Device } from '@padnet/torch';
import { DataLoader, type ImageDataset, type ImageTransform, type OnBadPicture } from '../../data/index.js';
import { InputError } from '../../errors.js';
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
  const { normalise, device = 'cpu', numWorkers = 0, onBadPicture, signal } = options;
  const fitting = Math.floor(2 ** 20 / (dataset.height * dataset.width));
  const { batchSize = Math.max(1, Math.min(256, fitting)) } = options;
  await using loader = new DataLoader({ dataset, batchSize, numWorkers, transform: { normalise }, onBadPicture });
  using _mode = nn.evaluationMode(network);
  const predictions = new Float32Array(dataset.length).fill(NaN);
  let seen = 0;
  let correct = 0;
  let loss = 0;
  for await (const batch of loader.epoch(0)) {
    signal?.throwIfAborted();
    if (batch.size === 0) continue;
    seen += batch.size;
    scope(() => {
      noGrad(() => {
        const { images, labels } = batchTensors(batch, dataset, device);
        const logits = network.forward(images);
        const batchLoss = classificationLoss(logits, labels).item();
        if (!Number.isFinite(batchLoss))
          throw nonFiniteError(network, `the loss on ${dataset.name}`, () => network.forward(images));
        loss += batchLoss * batch.size;
        const chosen = logits.argmax({ dim: 1 }).toTypedArray() as BigInt64Array;
        batch.sampleIndices.forEach((sample, position) => {
          predictions[sample] = Number(chosen[position]);
          if (predictions[sample] === batch.labels[position]) correct++;
        });
      });
    });
  }
  if (seen === 0) throw new InputError(`${dataset.name}: no picture can be decoded`);
  const accuracy = correct / seen;
  return { metric: 'accuracy', score: accuracy, metrics: { accuracy }, loss: loss / seen, predictions };
}
