/** Routing switched off: a trained network at what its routers decide on average over training data. */
import { toMeanCoefficients } from '../convert/index.js';
import { DEFAULT_PARTITION_BATCHES, type Recipe } from '../recipe/recipe.js';
import type { SavedModel } from '../runs/savedModel.js';
import { savedTask } from './prepare.js';
import type { Task } from './task.js';
import type { PrepareOptions } from './tasks/taskKind.js';

/**
 * `toMeanCoefficients` of a trained network, in place, on as many batches of training data as the recipe partitions by
 * (10 where it does not), without anything random.
 *
 * @returns the task that evaluates it, on the data of the recipe
 * @throws InputError where data are missing or damaged; RangeError as `toMeanCoefficients`
 */
export async function modelToMeanCoefficients(
  recipe: Recipe,
  model: SavedModel,
  options: PrepareOptions = {},
): Promise<Task> {
  const task = await savedTask(recipe, model, options);
  const { batches } = recipe.partition ?? { batches: DEFAULT_PARTITION_BATCHES };
  using set = await task.partitionLosses({ batches, seed: recipe.training.seed, epoch: 0 });
  const passes = set.batchLosses.map((loss) => () => {
    options.signal?.throwIfAborted();
    return loss();
  });
  toMeanCoefficients(task.network, passes);
  return task;
}
