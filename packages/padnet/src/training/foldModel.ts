/** A dynamic or partial network as a static one, by what its routers decide on average over its training data. */
import { existsSync } from 'node:fs';
import { convertToStatic } from '../convert/index.js';
import type { OnBadPicture } from '../data/index.js';
import type { Evaluation } from './evaluation.js';
import { savedTask } from './prepare.js';
import { DEFAULT_PARTITION_BATCHES, type PictureRecipe } from './recipe.js';
import { RunFolder } from './runFolder.js';
import type { PictureModel, TextModel } from './savedModel.js';

/** Why the network of `path` that is not static cannot be folded to one that is; null where it can. */
export function foldObstacle(
  path: string,
  { modality }: Pick<PictureModel, 'modality'> | Pick<TextModel, 'modality'>,
): string | null {
  if (modality === 'text')
    return 'a mixture has no static form: each token has its own k experts, whose mean is no layer that was trained';
  if (!existsSync(new RunFolder(path).recipe))
    return '`padnet convert --layer static` folds a network only as the folder of its run, on whose data it measures at what';
  return null;
}

export interface FoldModelOptions {
  /** Told of each picture that `data.onBadPicture: skip` leaves out, once. */
  readonly onBadPicture?: OnBadPicture | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Both on the test data. */
export interface FoldModelResult {
  readonly before: Evaluation;
  readonly after: Evaluation;
}

/**
 * `convertToStatic` of the network, in place, on as many batches of training data as the recipe partitions by (10 where it does
 * not), without anything random.
 *
 * @throws InputError where data are missing or damaged; RangeError as `convertToStatic`
 */
export async function foldModel(
  recipe: PictureRecipe,
  model: PictureModel,
  { onBadPicture, signal }: FoldModelOptions = {},
): Promise<FoldModelResult> {
  const task = await savedTask(recipe, model, { onBadPicture });
  const before = await task.evaluate({ signal });
  const { batches } = recipe.partition ?? { batches: DEFAULT_PARTITION_BATCHES };
  using losses = await task.partitionLosses({ batches, seed: recipe.training.seed, epoch: 0 });
  const passes = losses.batchLosses.map((loss) => () => {
    signal?.throwIfAborted();
    return loss();
  });
  convertToStatic(model.network, passes);
  return { before, after: await task.evaluate({ signal }) };
}
