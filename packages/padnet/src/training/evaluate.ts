/** Accuracy and loss of a network on a data set. */
import { noGrad, scope, type Device, type nn } from '@padnet/torch';
import { DataLoader, type ImageDataset, type ImageTransform } from '../data/index.js';
import { batchTensors } from './batchTensors.js';
import { classificationLoss } from './classificationLoss.js';

export interface Evaluation {
  /** Fraction of pictures whose highest logit is that of their class. */
  readonly accuracy: number;
  /** Mean cross-entropy, without label smoothing. */
  readonly loss: number;
  /** The class with the highest logit of each picture. */
  readonly predictions: Uint16Array;
}

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
  const predictions = new Uint16Array(dataset.length);
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
  return { accuracy: correct / dataset.length, loss: loss / dataset.length, predictions };
}
