/** Iterative Mode Partition of the network that a run has trained. */
import { convertToPartial, convertToPartialMoE, type ConvertToPartialMoEOptions } from '../convert/index.js';
import { InputError } from '../errors.js';
import type { CodeOptions } from '../ownCode/index.js';
import { saliencyOf, type Partition, type RoundResult } from '../partition/index.js';
import type { Evaluation } from './evaluation.js';
import { savedTask } from './prepare.js';
import { loadRunModel, readRun } from './readRun.js';
import type { PartitionOptions } from './recipe.js';
import type { TextModel } from './savedModel.js';
import { applyMasks, searchPartition } from './searchPartition.js';

export interface PartitionRunOptions extends CodeOptions {
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
  { onRound, signal, allowCode }: PartitionRunOptions = {},
): Promise<PartitionRunResult> {
  const { recipe } = readRun(path);
  const { layer } = recipe.model;
  if (layer !== 'dyconv' && layer !== 'moe') {
    throw new InputError(
      `${path} has a network with model.layer: ${layer}; only a fully dynamic one (dyconv, moe) can be partitioned` +
        (layer === 'pad' ? ': entries that became static have no bank any more' : ''),
    );
  }
  const saliency = saliencyOf(options.saliency, { allowCode });
  const model = loadRunModel(path, { allowCode });
  const { network } = model;
  const task = await savedTask(recipe, model);
  if (model.modality === 'image') convertToPartial(network);
  else convertToPartialMoE(network, convertedParts(model));
  const before = await task.evaluate({ signal });

  const { seed } = recipe.training;
  const partition = await searchPartition(task, options, {
    seed,
    epoch: 0,
    saliency,
    onRound,
    signal,
  });
  await applyMasks(task, partition, { batches: options.batches, seed, epoch: 0 });
  return { partition, before, after: await task.evaluate({ signal }) };
}

/** Only what is a mixture becomes partial: the same layers and positions. */
function convertedParts({ description: { model } }: TextModel): ConvertToPartialMoEOptions {
  const { position, layers } = model;
  return { position, ...(layers && { layers }) };
}
