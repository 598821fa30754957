/** Iterative Mode Partition on batches of the training set: what a trainer does at its epoch, and `partitionRun` afterwards. */
import type { Device, nn } from '@padnet/torch';
import { DataLoader, type ImageDataset, type ImageTransform } from '../data/index.js';
import { iterativeModePartition, type Partition, type RoundResult, type Saliency } from '../partition/index.js';
import { batchTensors } from './batchTensors.js';
import { classificationLoss } from './classificationLoss.js';
import type { PartitionOptions } from './recipe.js';

export interface SearchPartitionOptions {
  /** The training set. */
  readonly dataset: ImageDataset;
  readonly batchSize: number;
  readonly seed: number;
  /** The batches are the first ones of this epoch (from 0), without random transforms. */
  readonly epoch: number;
  readonly normalise: ImageTransform['normalise'];
  readonly labelSmoothing: number;
  readonly saliency: Saliency;
  /** Where the network is. */
  readonly device: Device;
  readonly onRound?: ((round: RoundResult) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Masks for a network with partial layers, which is left as it was. */
export async function searchPartition(
  network: nn.Layer,
  settings: Omit<PartitionOptions, 'epoch' | 'masks' | 'fold' | 'saliency'>,
  options: SearchPartitionOptions,
): Promise<Partition> {
  const { dataset, batchSize, seed, epoch, normalise, labelSmoothing, saliency, device, onRound, signal } = options;
  const loader = new DataLoader({ dataset, batchSize, seed, shuffle: true, transform: { normalise } });
  const batches: ReturnType<typeof batchTensors>[] = [];
  try {
    for await (const batch of loader.epoch(epoch)) {
      if (batches.length === settings.batches) break;
      batches.push(batchTensors(batch, dataset, device));
    }
    return await iterativeModePartition(network, {
      ...settings,
      saliency,
      seed,
      batchLosses: batches.map(
        ({ images, labels }) =>
          () =>
            classificationLoss(network.forward(images), labels, labelSmoothing),
      ),
      ...(onRound && { onRound }),
      ...(signal && { signal }),
    });
  } finally {
    for (const { images, labels } of batches) for (const tensor of [images, labels]) tensor[Symbol.dispose]();
    await loader.close();
  }
}
