/** The name of a run's network, and the view of its modality. */
import type { TextConfig } from '../models/index.js';
import type { Modality, RecipeOf, RunRecipe } from '../recipe/index.js';
import type { ModelOf } from '../runs/index.js';
import { pictureNames, pictureView } from './pictureView.js';
import { textView } from './textView.js';
import type { NetworkFacts, View } from './view.js';

const views: { readonly [M in Modality]: View<RecipeOf<M>, ModelOf<M>> } = { image: pictureView, text: textView };

/** The view of a modality. */
export function viewOf(modality: Modality): View {
  return views[modality];
}

/** The part of a recipe that says what network is made. */
export type RunModel = {
  [R in RunRecipe as R['modality']]: Pick<R, 'modality' | 'model'>;
}[RunRecipe['modality']];

/** @param config of a text encoder; where it is not at hand, the network goes by the name of its weights */
export function networkFacts({ modality, model }: RunModel, config: TextConfig | null): NetworkFacts {
  if (modality !== 'program') return viewOf(modality).facts(model, config);
  const { [model.name]: name = model.name } = pictureNames as Readonly<Record<string, string>>;
  return { name, text: name };
}
