import { numOutputs, tokenise, type TextDataset } from '../data/index.js';
import { createTextShape, numberedLabels, type FamilyName } from '../models/index.js';
import type { TextRecipe } from '../recipe/index.js';
import type { TextModel } from '../runs/index.js';
import { loadTexts, resolveTextStart, textDefinition } from '../training/index.js';
import { type ExpertLoad, expertLoad, type ExpertLoadOptions, expertRouterStates } from './expertLoad.js';
import { pretrainedName } from './pretrainedName.js';
import type { RouterState } from './routerStates.js';
import { textPass } from './samplePass.js';
import type { View } from './view.js';

const familyTitles: Record<FamilyName, string> = {
  bert: 'BERT',
  roberta: 'RoBERTa',
  albert: 'ALBERT',
  electra: 'ELECTRA',
};

export const textView: View<TextRecipe, TextModel> = {
  facts: ({ pretrained, fromScratch }, config) => {
    const weights = pretrainedName(pretrained);
    const origin = fromScratch ? `shape of ${weights}, from scratch` : weights;
    if (!config) return { name: weights, text: origin };
    const name = familyTitles[config.family];
    const { numHiddenLayers, hiddenSize } = config;
    const layers = numHiddenLayers === 1 ? '1 layer' : `${numHiddenLayers} layers`;
    return { name, text: `${name} (${origin}), ${layers}, ${hiddenSize} wide` };
  },
  ofModel: ({ network }) => ({ network, pass: textPass(network), config: network.config }),
  ofRecipe: async ({ model, data }) => {
    const labels = numberedLabels(numOutputs(textDefinition(data)));
    const config = { ...(await resolveTextStart(model.pretrained)).config, labels };
    const network = createTextShape(model, config);
    return { network, pass: textPass(network), config };
  },
  findings: async ({ data }, model, division) => {
    const { test } = loadTexts(data, division);
    const experts = await loadOn(test, model);
    return { testSamples: test.length, experts, routers: statesOf(experts) };
  },
  routers: async ({ data }, model, division) =>
    statesOf(await loadOn(loadTexts(data, division).test, model, { maxSentences: 128 })),
};

const loadOn = (
  test: TextDataset,
  { network, tokenizer, description: { maxLength } }: TextModel,
  options: Pick<ExpertLoadOptions, 'maxSentences'> = {},
): Promise<ExpertLoad | null> =>
  expertLoad(network, tokenise(test, tokenizer, { maxLength }), { tokenizer, ...options });

const statesOf = (experts: ExpertLoad | null): RouterState[] => (experts ? expertRouterStates(experts) : []);
