/** Iterative Mode Partition of the network that a run has trained. */
import { convertToPartial } from '../convert/index.js';
import { DataLoader } from '../data/index.js';
import { InputError } from '../errors.js';
import {
  applyPartition,
  iterativeModePartition,
  partialLayers,
  saliencies,
  type Partition,
  type RoundResult,
} from '../partition/index.js';
import { batchTensors } from './batchTensors.js';
import { classificationLoss } from './classificationLoss.js';
import { evaluate, type Evaluation } from './evaluate.js';
import { loadData } from './loadData.js';
import { loadRunModel, readRun } from './readRun.js';
import type { PartitionOptions } from './recipe.js';

export interface PartitionRunOptions {
  readonly onRound?: (round: RoundResult) => void;
  readonly signal?: AbortSignal;
}

export interface PartitionRunResult {
  readonly partition: Partition;
  /** With every entry dynamic. */
  readonly before: Evaluation;
  /** With the new masks, not trained any further. */
  readonly after: Evaluation;
}

/**
 * Partitions the fully dynamic network of a run; the run itself is not changed. The partition can then be trained with:
 * `partition.masks` in a recipe.
 *
 * @throws InputError where the run has not finished, or its network is not fully dynamic
 */
export async function partitionRun(
  path: string,
  options: Omit<PartitionOptions, 'epoch' | 'masks'>,
  { onRound, signal }: PartitionRunOptions = {},
): Promise<PartitionRunResult> {
  const { recipe } = readRun(path);
  if (recipe.model.layer !== 'dyconv') {
    throw new InputError(
      `${path} has a network with model.layer: ${recipe.model.layer}; only a fully dynamic one (dyconv) can be partitioned` +
        (recipe.model.layer === 'pad' ? ': entries that became static have no bank any more' : ''),
    );
  }
  const { network, description } = loadRunModel(path);
  const { normalise } = description;
  const { train, test } = loadData(recipe.data);
  convertToPartial(network);
  const before = await evaluate(network, test, { normalise, signal });

  if (options.fold) for (const source of partialLayers(network).values()) source.foldMean();
  const { batchSize } = recipe.data;
  const loader = new DataLoader({
    dataset: train,
    batchSize,
    seed: recipe.training.seed,
    shuffle: true,
    transform: { normalise },
  });
  const batches = [];
  for await (const batch of loader.epoch(0)) {
    if (batches.length === options.batches) break;
    batches.push(batchTensors(batch, train));
  }
  await loader.close();
  const partition = await iterativeModePartition(network, {
    ...options,
    saliency: saliencies[options.saliency],
    seed: recipe.training.seed,
    batchLosses: batches.map(
      ({ images, labels }) =>
        () =>
          classificationLoss(network.forward(images), labels, recipe.training.labelSmoothing),
    ),
    ...(onRound && { onRound }),
    ...(signal && { signal }),
  });
  applyPartition(network, partition);
  return { partition, before, after: await evaluate(network, test, { normalise, signal }) };
}
