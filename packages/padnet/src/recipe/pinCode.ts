import { loadRouter } from '../models/index.js';
import { isCodeReference, type CodeOptions } from '../ownCode/index.js';
import { loadSaliency } from '../partition/index.js';
import type { Recipe } from './recipe.js';

/**
 * The recipe with the checksums of what it names of code of one's own, which is run for that: a run is refused where
 * the code has changed since. Checksums that are there are checked.
 *
 * @throws InputError as `loadRouter` and `loadSaliency`
 */
export function pinCode(recipe: Recipe, options: CodeOptions): Recipe {
  const pinned = { ...recipe };
  const { model, partition } = recipe;
  if (partition && isCodeReference(partition.saliency))
    pinned.partition = { ...partition, saliency: loadSaliency(partition.saliency, options).reference };
  if ('router' in model && model.router !== undefined)
    pinned.model = { ...model, router: loadRouter(model.router, options).reference };
  return pinned;
}
