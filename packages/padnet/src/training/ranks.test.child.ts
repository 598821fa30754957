/** One rank of `ranks.test.ts`: trains the runs of its first argument, one after the other. */
import { setNumThreads } from '@padnet/torch';
import { rankEnvironment } from '@padnet/torch/distributed';
import { trainRecipe, type TrainRecipeOptions } from './trainRecipe.js';
import type { Recipe } from '../recipe/recipe.js';

export interface RankedRun {
  readonly recipe: Recipe;
  readonly options: Pick<TrainRecipeOptions, 'out' | 'resume'>;
  /** The step after which rank 0 is asked to stop. */
  readonly stopAfter?: number;
}

setNumThreads(1);
const ranks = rankEnvironment()!;
for (const { recipe, options, stopAfter } of JSON.parse(process.argv[2]!) as RankedRun[]) {
  const controller = new AbortController();
  for await (const event of trainRecipe(recipe, { ...options, ranks, signal: controller.signal }))
    if (event.type === 'step' && event.step === stopAfter) controller.abort();
}
