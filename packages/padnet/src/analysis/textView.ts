import { numOutputs, tokenise } from '../data/index.js';
import { createTextShape, numberedLabels, type FamilyName } from '../models/index.js';
import type { TextRecipe } from '../recipe/index.js';
import type { TextModel } from '../runs/index.js';
import { loadTexts, resolveTextStart, textDefinition } from '../training/index.js';
import { expertLoad, expertRouterStates } from './expertLoad.js';
import { pretrainedName } from './pretrainedName.js';
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
  findings: async ({ data }, { network, tokenizer, description: { maxLength } }, division) => {
    const { test } = loadTexts(data, division);
    const experts = await expertLoad(network, tokenise(test, tokenizer, { maxLength }), { tokenizer });
    return { testSamples: test.length, experts, routers: experts ? expertRouterStates(experts) : [] };
  },
  routers: async ({ data }, { network, tokenizer, description: { maxLength } }, division) => {
    const { test } = loadTexts(data, division);
    const options = { tokenizer, maxSentences: 128 };
    const experts = await expertLoad(network, tokenise(test, tokenizer, { maxLength }), options);
    return experts ? expertRouterStates(experts) : [];
  },
};
