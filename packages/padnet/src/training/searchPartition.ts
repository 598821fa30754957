/**
 * Iterative Mode Partition on batches of the training set: what a trainer does at its epoch, and `partitionRun`
 * afterwards.
 */
import { nn, type Tensor } from '@padnet/torch';
import { NonFiniteError } from '../errors.js';
import {
  applyPartition,
  meanIntoStatic,
  iterativeModePartition,
  measuresMean,
  type MeanOptions,
  needsMeans,
  type Partition,
  type RoundResult,
  type Saliency,
} from '../partition/index.js';
import type { Ranks } from '../ranks.js';
import { findNonFinite } from './nonFinite.js';
import type { PartitionOptions } from '../recipe/recipe.js';
import type { Task } from './task.js';

type PartitionSet = Parameters<Task['partitionLosses']>[0];

/**
 * Before masks that are given: `meanIntoStatic` on the partition set, which is read only where that needs it.
 *
 * @param fold not false
 */
export async function meanForMasks(task: Task, set: PartitionSet, fold: PartitionOptions['fold']): Promise<void> {
  const means = meansBy(fold);
  using losses = measuresMean(task.network, means) ? await task.partitionLosses(set) : null;
  meanIntoStatic(task.network, losses?.batchLosses ?? [], means);
}

function meansBy(fold: PartitionOptions['fold']): MeanOptions {
  return { byUse: fold === 'byUse' };
}

export interface SearchPartitionOptions {
  readonly seed: number;
  /** The batches are the first ones of this epoch (from 0), without random transforms. */
  readonly epoch: number;
  readonly saliency: Saliency;
  readonly onRound?: ((round: RoundResult) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly ranks?: Ranks | undefined;
}

/** Masks for a network with partial layers, which is left as it was but for `fold`. */
export async function searchPartition(
  task: Task,
  { fold, ...settings }: Omit<PartitionOptions, 'epoch' | 'masks' | 'saliency'>,
  { seed, epoch, saliency, onRound, signal, ranks }: SearchPartitionOptions,
): Promise<Partition> {
  using losses = await task.partitionLosses({ batches: settings.batches, seed, epoch });
  if (fold !== false) meanIntoStatic(task.network, losses.batchLosses, meansBy(fold));
  const { batchLosses, sampleShape } = losses;
  try {
    return await iterativeModePartition(task.network, {
      ...settings,
      saliency,
      seed,
      batchLosses,
      sampleShape,
      ranks,
      ...(onRound && { onRound }),
      ...(signal && { signal }),
    });
  } catch (error) {
    throw error instanceof NonFiniteError ? traced(error, task.network, batchLosses) : error;
  }
}

/** With the first layer that gives such numbers, where one does. */
function traced({ what, where }: NonFiniteError, network: nn.Module, batchLosses: readonly (() => Tensor)[]): Error {
  using _mode = nn.evaluationMode(network);
  for (const loss of batchLosses) {
    const found = findNonFinite(network, loss);
    if (found) return new NonFiniteError(what, found);
  }
  return new NonFiniteError(what, where);
}

/** `applyPartition`, with the partition set where means have to be measured, which is read only then. */
export async function applyMasks(
  task: Task,
  partition: Partition,
  set: PartitionSet,
  fold: PartitionOptions['fold'],
): Promise<void> {
  const means = meansBy(fold);
  using losses = needsMeans(task.network, partition, means) ? await task.partitionLosses(set) : null;
  applyPartition(task.network, partition, losses?.batchLosses, means);
}
