/** The words for samples of a run's data. */
import type { RunRecipe } from '../recipe/recipe.js';

const words: Readonly<Record<RunRecipe['modality'], string>> = {
  image: 'pictures',
  text: 'sentences',
  program: 'samples',
};

/** Such as `pictures`; of runs on different kinds of data `samples`. */
export function samplesOf(runs: readonly { readonly modality: RunRecipe['modality'] }[]): string {
  const found = new Set(runs.map(({ modality }) => words[modality]));
  const [first = 'samples'] = found;
  return found.size === 1 ? first : 'samples';
}
