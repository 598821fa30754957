/** Iterative Mode Partition of a network that has been trained. */
import { isThere } from '../readRegularFile.js';
import { InputError } from '../errors.js';
import { countStored } from '../layers/index.js';
import type { CodeOptions } from '../ownCode/index.js';
import { saliencyOf, type Partition, type RoundResult } from '../partition/index.js';
import { loadAnyModel } from '../runs/anyModel.js';
import { savedTask, taskKind } from './prepare.js';
import type { Evaluation } from './task.js';
import { readRun } from '../runs/readRun.js';
import { RunFolder } from '../runs/runFolder.js';
import type { PartitionOptions, Recipe } from '../recipe/recipe.js';
import type { SavedModel } from '../runs/savedModel.js';
import { splitOfRun } from '../runs/splitFile.js';
import { applyMasks, searchPartition } from './searchPartition.js';
import { toStaticCommand } from './tasks/staticForm.js';

export interface PartitionRunOptions extends CodeOptions {
  /** On its data the network is partitioned. @default that of the run, which a converted network has not */
  readonly recipe?: Recipe;
  /** Told in a sentence what is noteworthy of the data. */
  readonly onRemark?: (text: string) => void;
  readonly onRound?: (round: RoundResult) => void;
  readonly signal?: AbortSignal;
}

export interface PartitionRunResult {
  readonly partition: Partition;
  /** With the entries dynamic that are so before. */
  readonly before: Evaluation;
  /** With the new masks, not trained any further. */
  readonly after: Evaluation;
}

/**
 * Partitions the dynamic or partial network of a run, or one that `padnet convert` wrote; it is not changed. The
 * partition can then be trained with: `partition.masks` in a recipe. Of a partial network, entries that are static stay
 * so.
 *
 * @throws InputError where the run has not finished, there are no data, or the network is static or more static than
 *   asked for
 */
export async function partitionRun(
  path: string,
  options: Omit<PartitionOptions, 'epoch' | 'masks'>,
  { recipe: given, onRemark, onRound, signal, allowCode }: PartitionRunOptions = {},
): Promise<PartitionRunResult> {
  const saliency = saliencyOf(options.saliency, { allowCode });
  const model = loadAnyModel(path, { allowCode });
  const recipe = given ?? recipeAt(path);
  makeSearchable(path, model, { ...options, allowCode });
  const task = await savedTask(recipe, model, given ? {} : splitOfRun(new RunFolder(path), onRemark));
  const before = await task.evaluate({ signal });
  const { seed } = recipe.training;
  const partition = await searchPartition(task, options, {
    seed,
    epoch: 0,
    saliency,
    onRound,
    signal,
  });
  await applyMasks(task, partition, { batches: options.batches, seed, epoch: 0 }, options.fold);
  return { partition, before, after: await task.evaluate({ signal }) };
}

function recipeAt(path: string): Recipe {
  if (isThere(new RunFolder(path).recipe)) return readRun(path).recipe;
  throw new InputError(
    `${path} has no data of its own; give a recipe, whose data are used to score it, with --recipe <file>`,
  );
}

/** Entries that are static come back into the banks, where they are the same in every kernel and score 0. */
function makeSearchable(
  path: string,
  saved: SavedModel,
  options: Pick<PartitionOptions, 'ratio' | 'saliency'> & CodeOptions,
): void {
  const { layer } = saved.description.model;
  const kind = taskKind(saved.modality);
  if (layer === 'static') {
    throw new InputError(
      `${path} is static already, so there is nothing to partition; ` +
        `\`padnet convert ${path} --layer dynamic --out <folder>\` makes it dynamic, ` +
        'to be trained before it is partitioned',
    );
  }
  if (layer === 'partial') checkNarrower(path, saved, options);
  try {
    kind.makeSearchable(saved, options);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new InputError(`${path}: ${error.message}: ${toStaticCommand(path)}`, { cause: error });
  }
}

function checkNarrower(
  path: string,
  { network }: SavedModel,
  { ratio, saliency }: Pick<PartitionOptions, 'ratio' | 'saliency'>,
): void {
  const { entries, dynamicEntries } = countStored(network);
  const kappa = dynamicEntries / entries;
  if (ratio > kappa) {
    throw new InputError(
      `${path} is partial with κ = ${kappa.toFixed(3)}, and static entries stay so: ` +
        `expected a ratio of at most that, got ${ratio}`,
    );
  }
  if (!['maskGradient', 'variance', 'spread'].includes(saliency)) {
    throw new InputError(
      `${path} is partial: only maskGradient, variance and spread leave its static entries static, got the score ` +
        saliency,
    );
  }
}
