/**
 * The partition of a network that is being trained: its masks are found, or given, and what is trained has fewer
 * parameters.
 */
import { performance } from 'node:perf_hooks';
import { scope, type nn } from '@padnet/torch';
import { InputError, reasonOf } from '../errors.js';
import { Mask } from '../partial/index.js';
import {
  assertPartitionFits,
  overallDynamicRatio,
  partialLayers,
  partitionUnits,
  searchLayers,
  type Partition,
} from '../partition/index.js';
import type { PartitionEvent, PartitionRoundEvent } from '../runs/events.js';
import type { Ranks } from '../ranks.js';
import type { PartitionOptions, TrainingOptions } from '../recipe/recipe.js';
import { partitionedState } from './partitionedState.js';
import { stepOptimizer, type StepOptimizer } from './shardedOptimizer.js';
import { applyMasks, meanForMasks, searchPartition, type SearchPartitionOptions } from './searchPartition.js';
import type { Task } from './task.js';

export interface PartitionStepOptions extends Omit<SearchPartitionOptions, 'onRound'> {
  /** Steps done. */
  readonly step: number;
  /** Masks that were found before, instead of a search. */
  readonly masks: Partition | null;
}

export interface PartitionStep {
  readonly partition: Partition;
  /** The rounds of the search, and the partition. */
  readonly events: readonly (PartitionRoundEvent | PartitionEvent)[];
  readonly seconds: number;
}

/** @throws InputError where a network cannot be partitioned as the options say, naming key and layer */
export function assertPartitionPossible(
  network: nn.Module,
  { granularity }: PartitionOptions,
  masks: Partition | null,
): void {
  if (searchLayers(network).size === 0)
    throw new InputError('partition is given, but the network has no partial layer to search');
  named('granularity', () => {
    partitionUnits(network, granularity);
  });
  if (!masks) return;
  named('masks', () => {
    assertPartitionFits(network, masks);
  });
}

function named(key: string, assertion: () => void): void {
  try {
    assertion();
  } catch (error) {
    throw new InputError(`partition.${key}: ${reasonOf(error)}`, { cause: error });
  }
}

/** Gives the network of a task its masks for good. Aborted, it leaves the bank folded. @throws as `searchPartition` */
export async function partitionStep(
  task: Task,
  options: PartitionOptions,
  { masks, step, ...search }: PartitionStepOptions,
): Promise<PartitionStep> {
  const start = performance.now();
  const { epoch, seed } = search;
  const { batches, fold, rounds } = options;
  const set = { batches, seed, epoch };
  const events: (PartitionRoundEvent | PartitionEvent)[] = [];
  if (masks && fold !== false) await meanForMasks(task, set, fold);
  const partition =
    masks ??
    (await searchPartition(task, options, {
      ...search,
      onRound: ({ round, keepRatio, dynamicRatio }) =>
        events.push({ type: 'partitionRound', epoch, step, round, rounds, keepRatio, dynamicRatio }),
    }));
  task.network.zeroGrad(); // a score of one's own may have left gradients
  await applyMasks(task, partition, set, fold);
  const seconds = (performance.now() - start) / 1000;
  events.push({
    type: 'partition',
    epoch,
    step,
    dynamicRatio: overallDynamicRatio(partition.masks.values()),
    dynamicRatioByLayer: Object.fromEntries(Array.from(partition.masks, ([path, mask]) => [path, mask.dynamicRatio])),
    seconds,
  });
  return { partition, events, seconds };
}

/** An optimizer for the parameters that a network has with its masks; momentum of entries that stay dynamic goes on. */
export function partitionedOptimizer(
  optimizer: StepOptimizer,
  { masks }: Partition,
  network: nn.Module,
  training: TrainingOptions,
  ranks: Ranks | null,
): StepOptimizer {
  const before = optimizer.stateDict();
  const after = stepOptimizer(network, training, ranks);
  scope(() => {
    after.loadStateDict(partitionedState(before, masks, network));
  });
  for (const tensor of before.tensors.values()) tensor[Symbol.dispose](); // not left until the memory of two is in use
  return after;
}

/** The masks that a partitioned network has, by the shapes of its layers before: without rounds and scores. */
export function partitionOf(
  network: nn.Module,
  shapes: ReadonlyMap<string, readonly number[]>,
  settings: Partition['settings'],
): Partition {
  const layers = partialLayers(network);
  const masks = new Map(Array.from(shapes, ([path, shape]) => [path, layers.get(path)?.mask ?? Mask.empty(shape)]));
  return { settings, rounds: [], masks, scores: new Map() };
}
