/** The static form of a dynamic or partial network: what its routers decide on average. */
import { isThere } from '../../readRegularFile.js';
import { toStatic } from '../../convert/index.js';
import type { PictureTask } from './pictureTask.js';
import { DEFAULT_PARTITION_BATCHES, type PictureRecipe } from '../../recipe/recipe.js';
import { RunFolder } from '../../runs/runFolder.js';

/**
 * The command that makes a dynamic or partial network for pictures static; one that is not a run needs data to measure
 * means on.
 */
export function toStaticCommand(path: string): string {
  const data = isThere(new RunFolder(path).recipe) ? '' : ' --recipe <file>';
  return `\`padnet convert ${path} --layer static${data} --out <folder>\``;
}

/**
 * `toStatic` of a task's network, in place, on as many batches of training data as the recipe partitions by (10 where
 * it does not), without anything random.
 *
 * @throws RangeError as `toStatic`
 */
export async function toStaticOnTask(task: PictureTask, recipe: PictureRecipe, signal?: AbortSignal): Promise<void> {
  const { batches } = recipe.partition ?? { batches: DEFAULT_PARTITION_BATCHES };
  using set = await task.partitionInputs({ batches, seed: recipe.training.seed, epoch: 0 });
  const passes = set.inputs.map(({ images }) => () => {
    signal?.throwIfAborted();
    return task.network.forward(images);
  });
  toStatic(task.network, passes);
}
