/** Iterative Mode Partition of the network that a run has trained. */
import { convertToPartial } from '../convert/index.js';
import { InputError } from '../errors.js';
import { applyPartition, partialLayers, saliencies, type Partition, type RoundResult } from '../partition/index.js';
import { evaluate, type Evaluation } from './evaluate.js';
import { loadData } from './loadData.js';
import { loadRunModel, readRun } from './readRun.js';
import type { PartitionOptions } from './recipe.js';
import { searchPartition } from './searchPartition.js';

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
  const partition = await searchPartition(network, options, {
    dataset: train,
    batchSize: recipe.data.batchSize,
    seed: recipe.training.seed,
    epoch: 0,
    normalise,
    labelSmoothing: recipe.training.labelSmoothing,
    saliency: saliencies[options.saliency],
    device: 'cpu',
    onRound,
    signal,
  });
  applyPartition(network, partition);
  return { partition, before, after: await evaluate(network, test, { normalise, signal }) };
}
