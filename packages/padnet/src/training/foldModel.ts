/** A dynamic or partial network as a static one, by what its routers decide on average over its training data. */
import type { DataSplit, OnBadPicture } from '../data/index.js';
import type { Evaluation } from './evaluation.js';
import { savedPictureTask } from './prepare.js';
import type { PictureRecipe } from '../recipe/recipe.js';
import type { PictureModel } from '../runs/savedModel.js';
import { foldOnTask } from './staticForm.js';

export interface FoldModelOptions {
  /** Told of each picture that `data.onBadPicture: skip` leaves out, once. */
  readonly onBadPicture?: OnBadPicture | undefined;
  /** How the run divided its pictures when it began. @default as the recipe says */
  readonly split?: DataSplit | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Both on the test data. */
export interface FoldModelResult {
  readonly before: Evaluation;
  readonly after: Evaluation;
}

/**
 * `toStatic` of the network, in place, on as many batches of training data as the recipe partitions by (10 where it does
 * not), without anything random.
 *
 * @throws InputError where data are missing or damaged; RangeError as `toStatic`
 */
export async function foldModel(
  recipe: PictureRecipe,
  model: PictureModel,
  { onBadPicture, split, signal }: FoldModelOptions = {},
): Promise<FoldModelResult> {
  const task = await savedPictureTask(recipe, model, { onBadPicture, split });
  const before = await task.evaluate({ signal });
  await foldOnTask(task, recipe, signal);
  return { before, after: await task.evaluate({ signal }) };
}
