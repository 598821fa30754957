/** Accuracy and loss of a network on pictures. */
import { noGrad, scope, type Device, type nn } from '@padnet/torch';
import { DataLoader, type ImageDataset, type ImageTransform } from '../data/index.js';
import { batchTensors } from './batchTensors.js';
import { classificationLoss } from './classificationLoss.js';
import type { Evaluation } from './evaluation.js';

export interface EvaluateOptions {
  /** @default 256 */
  readonly batchSize?: number;
  /** What the network was trained with, but for its random parts. @default pixels from 0 to 1 */
  readonly normalise?: ImageTransform['normalise'];
  /** @default 'cpu' */
  readonly device?: Device;
  readonly signal?: AbortSignal | undefined;
}

/** Evaluates in evaluation mode; the network's mode is left as it was. Yields to the event loop after every batch. */
export async function evaluate(
  network: nn.Layer,
  dataset: ImageDataset,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const { batchSize = 256, normalise, device = 'cpu', signal } = options;
  const loader = new DataLoader({ dataset, batchSize, transform: { normalise } });
  const wasTraining = network.training;
  const predictions = new Float32Array(dataset.length);
  let correct = 0;
  let loss = 0;
  network.eval();
  try {
    for await (const batch of loader.epoch(0)) {
      signal?.throwIfAborted();
      scope(() => {
        noGrad(() => {
          const { images, labels } = batchTensors(batch, dataset, device);
          const logits = network.forward(images);
          loss += classificationLoss(logits, labels).item() * batch.size;
          const chosen = logits.argmax({ dim: 1 }).toTypedArray() as BigInt64Array;
          batch.sampleIndices.forEach((sample, position) => {
            predictions[sample] = Number(chosen[position]);
            if (predictions[sample] === batch.labels[position]) correct++;
          });
        });
      });
    }
  } finally {
    network.train(wasTraining);
    await loader.close();
  }
  const accuracy = correct / dataset.length;
  return { metric: 'accuracy', score: accuracy, metrics: { accuracy }, loss: loss / dataset.length, predictions };
}
