/** What a run's network is called. */
import type { TextConfig } from '../models/index.js';
import type { Modality, RecipeOf, RunRecipe } from '../recipe/index.js';
import type { ModelOf } from '../runs/index.js';
import { pictureNames, pictureView } from './pictureView.js';
import { textView } from './textView.js';
import type { NetworkFacts, View } from './view.js';

const views: { readonly [M in Modality]: View<RecipeOf<M>, ModelOf<M>> } = { image: pictureView, text: textView };

/** What looking at networks knows of a modality. */
export function viewOf(modality: Modality): View {
  return views[modality];
}

/** What makes a network like that of a run. */
export type RunModel = {
  [R in RunRecipe as R['modality']]: Pick<R, 'modality' | 'model'>;
}[RunRecipe['modality']];

/** @param config of a text encoder; where it is not at hand, the network goes by the name of its weights */
export function networkFacts({ modality, model }: RunModel, config: TextConfig | null): NetworkFacts {
  if (modality !== 'program') return viewOf(modality).facts(model, config);
  const { [model.name]: name = model.name } = pictureNames as Readonly<Record<string, string>>;
  return { name, text: name };
}
