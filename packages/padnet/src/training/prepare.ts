/** From a recipe to what is trained, whatever the modality. */
import { InputError } from '../errors.js';
import { saliencyOf, type Saliency } from '../partition/index.js';
import type { Modality, Recipe, RecipeOf } from '../recipe/recipe.js';
import type { ModelOf, SavedModel } from '../runs/savedModel.js';
import type { Task } from './task.js';
import { pictures } from './tasks/picture.js';
import type { PreparedTask as PreparedKind, PrepareOptions, TaskKind } from './tasks/taskKind.js';
import { texts } from './tasks/text.js';

const kinds: { readonly [M in Modality]: TaskKind<RecipeOf<M>, ModelOf<M>> } = { image: pictures, text: texts };

/** The part of training that depends on the modality. */
export function taskKind(modality: Modality): TaskKind {
  return kinds[modality];
}

export interface PreparedTask extends PreparedKind {
  /** The saliency that the recipe partitions by. */
  readonly saliency: Saliency;
}

/**
 * Loads the data and makes the network, from the recipe's seed.
 *
 * @throws InputError where data or pretrained weights are missing or damaged, or code of one's own may not be run or is
 *   wrong
 */
export async function prepareTask(recipe: Recipe, options: PrepareOptions = {}): Promise<PreparedTask> {
  const saliency = saliencyOf(recipe.partition?.saliency ?? 'maskGradient', options);
  return { ...(await taskKind(recipe.modality).prepare(recipe, options)), saliency };
}

/**
 * The task that evaluates or partitions a trained network, on the data of its run's recipe.
 *
 * @throws InputError where the recipe is for another kind of network, or data are missing or damaged
 */
export async function savedTask(recipe: Recipe, model: SavedModel, options: PrepareOptions = {}): Promise<Task> {
  if (recipe.modality !== model.modality)
    throw new InputError(`the recipe is for ${recipe.modality}, the network for ${model.modality}`);
  return await taskKind(recipe.modality).savedTask(recipe, model, options);
}
