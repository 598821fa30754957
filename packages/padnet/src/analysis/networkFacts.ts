/** The names of a run's network. */
import { basename, dirname } from 'node:path';
import type { FamilyName, ModelOptions, TextConfig } from '../models/index.js';
import type { RunRecipe } from '../recipe/recipe.js';

export interface NetworkFacts {
  /** Such as `ResNet-10`, `BERT`. */
  readonly name: string;
  /** The name with what tells it from others, such as `BERT (bert-base-uncased), 12 layers, 768 wide`. */
  readonly text: string;
}

const pictureNames: Readonly<Record<ModelOptions['name'], string>> = {
  resnet10: 'ResNet-10',
  resnet18: 'ResNet-18',
  resnet34: 'ResNet-34',
  resnet50: 'ResNet-50',
  resnet101: 'ResNet-101',
  mobilenetV2: 'MobileNetV2',
};

const familyTitles: Record<FamilyName, string> = {
  bert: 'BERT',
  roberta: 'RoBERTa',
  albert: 'ALBERT',
  electra: 'ELECTRA',
};

/** The part of a recipe that makes a network like that of a run. */
export type RunModel = {
  [R in RunRecipe as R['modality']]: Pick<R, 'modality' | 'model'>;
}[RunRecipe['modality']];

/** @param config of a text encoder; where it is not at hand, the network goes by the name of its weights */
export function networkFacts({ modality, model }: RunModel, config: TextConfig | null): NetworkFacts {
  if (modality === 'program') {
    const { [model.name]: name = model.name } = pictureNames as Readonly<Record<string, string>>;
    return { name, text: name };
  }
  if (modality === 'image') {
    const name = pictureNames[model.name];
    const width = model.width ? `, width ${model.width}` : '';
    const origin = model.pretrained === undefined ? '' : `, from ${pretrainedName(model.pretrained)}`;
    return { name, text: `${name}${width}, ${model.stem} stem${origin}` };
  }
  const weights = pretrainedName(model.pretrained);
  const origin = model.fromScratch ? `shape of ${weights}, from scratch` : weights;
  if (!config) return { name: weights, text: origin };
  const name = familyTitles[config.family];
  const { numHiddenLayers, hiddenSize } = config;
  const layers = numHiddenLayers === 1 ? '1 layer' : `${numHiddenLayers} layers`;
  return { name, text: `${name} (${origin}), ${layers}, ${hiddenSize} wide` };
}

/** The name on the hub; of a file or folder, its own name and that of the folder above. */
function pretrainedName(pretrained: string): string {
  const parent = basename(dirname(pretrained));
  const own = basename(pretrained);
  return ['', '.', '..'].includes(parent) ? own : `${parent}/${own}`;
}
