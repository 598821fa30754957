/**
 * Networks for texts: from a recipe to what is trained, and from a trained network to what evaluates or partitions it.
 */
import { basename } from 'node:path';
import { manualSeed } from '@padnet/torch';
import { convertToPartialMoE } from '../../convert/index.js';
import { glueDefinition, loadTokenizer, numOutputs, type GlueTaskName } from '../../data/index.js';
import { InputError } from '../../errors.js';
import {
  convertTextModel,
  countTextMacs,
  maxTokens,
  numberedLabels,
  type LoadPretrainedOptions,
  type SequenceClassifier,
  type TextConfig,
} from '../../models/index.js';
import type { TextRecipe } from '../../recipe/recipe.js';
import { saveTextModel, type TextModel } from '../../runs/savedModel.js';
import { assertExpertsFit } from './assertFits.js';
import type { PreparedTask, PrepareOptions, TaskKind } from './taskKind.js';
import { loadTexts, textMetrics, tokeniseTexts, type TextSets } from './textData.js';
import { createFromStart, resolveTextStart, type TextStart } from './textPretrained.js';
import { TextTask, type TextSplits } from './textTask.js';

export const texts: TaskKind<TextRecipe, TextModel> = {
  prepare: prepareTexts,
  // eslint-disable-next-line @typescript-eslint/require-await -- what it throws is a rejection
  savedTask: async (recipe, model, options) => savedTextTask(recipe, model, options),
  makeSearchable: ({ network, description: { model } }) => {
    const { position, layers, scaleMode } = model;
    convertTextModel(network, { ...model, layer: 'dynamic', noise: 0 });
    convertToPartialMoE(network, { position, ...(layers && { layers }), scaleMode });
  },
  hubName: ({ model }) => model.pretrained,
  metric: ({ data }) => textMetrics(data).join('/'),
  networkName: ({ model }) => basename(model.pretrained),
};

async function prepareTexts(recipe: TextRecipe, options: PrepareOptions): Promise<PreparedTask> {
  const { device = 'cpu', onRemark, signal, split } = options;
  const { data, model } = recipe;
  const sets = loadTexts(data, { split });
  const start = await resolveTextStart(model.pretrained, signal);
  const { folder } = start;
  const tokenizer = loadTokenizer(folder);
  manualSeed(recipe.training.seed);
  assertExpertsFit(recipe, start.config);
  const { definition, split: divided } = sets;
  const { pretrained } = model;
  const network = startingEncoder(model, start, {
    ...(definition.classNames ? { labels: definition.classNames } : { numLabels: 1 }),
    onUnknownKeys: (keys) => onRemark?.({ type: 'unknownKeys', pretrained, keys }),
  });
  const maxLength = Math.min(data.maxLength, maxTokens(network.config));
  const splits = tokeniseTexts(sets, tokenizer, { maxLength, onTruncate: truncations(options) });
  assertKnownTokens(splits, network.config, folder);
  return {
    task: new TextTask({ ...batchOptions(recipe), definition, network, splits, device }),
    training: { ...recipe.training, optimizer: 'adamw' },
    trainSamples: sets.train.length,
    validationSamples: sets.validation?.length ?? 0,
    testSamples: sets.test.length,
    split: divided,
    sample: `${maxLength} tokens`,
    countMacs: () => countTextMacs(network, maxLength).reduce((sum, { macs }) => sum + macs, 0),
    save: (file) => {
      const task = data.name === 'glue' ? data.task : undefined;
      saveTextModel(file, network, { modality: 'text', model, task, definition, maxLength }, folder);
    },
  };
}

function truncations({ onRemark }: PrepareOptions): Parameters<typeof tokeniseTexts>[2]['onTruncate'] {
  return (truncation) => onRemark?.({ type: 'truncated', ...truncation });
}

function startingEncoder(
  model: TextRecipe['model'],
  start: TextStart,
  loading: LoadPretrainedOptions,
): SequenceClassifier {
  try {
    return createFromStart(model, start, loading);
  } catch (error) {
    // Whether a block is there depends on the encoder, so that the recipe alone cannot tell.
    if (error instanceof RangeError) throw new InputError(`model.${error.message}`, { cause: error });
    throw error;
  }
}

/** @throws InputError where tokenizer and encoder are not of one model */
function assertKnownTokens(splits: TextSplits, { vocabSize, typeVocabSize }: TextConfig, folder: string): void {
  const { train, validation, test, testMismatched } = splits;
  const sets = [train, validation, test, testMismatched].filter((set) => set !== null && set !== undefined);
  for (const { name, inputIds, tokenTypeIds } of sets) {
    const id = inputIds.find((each) => each >= vocabSize);
    const type = tokenTypeIds.find((each) => each >= typeVocabSize);
    if (id === undefined && type === undefined) continue;
    const [what, has] =
      id === undefined ? [`token type ${type}`, `${typeVocabSize} types`] : [`token ${id}`, `${vocabSize} tokens`];
    throw new InputError(
      `${folder}: the tokenizer gives ${name} ${what}, but config.json knows ${has}; ` +
        'give a folder whose tokenizer and config.json are of one model',
    );
  }
}

function savedTextTask(recipe: TextRecipe, model: TextModel, options: PrepareOptions): TextTask {
  const { data } = recipe;
  const { network, tokenizer, description } = model;
  // The classes of GLUE's tasks are known before their files are read.
  if (data.name === 'glue') assertOutputs(data.task, model);
  const sets = loadTexts(data, options);
  if (data.name === 'text') assertSameClasses(sets, model);
  const { maxLength } = description;
  const splits = tokeniseTexts(sets, tokenizer, { maxLength, onTruncate: truncations(options) });
  return new TextTask({ ...batchOptions(recipe), definition: sets.definition, network, splits });
}

function assertOutputs(task: GlueTaskName, { network }: TextModel): void {
  const wanted = numOutputs(glueDefinition(task));
  const { length } = network.config.labels;
  if (length !== wanted)
    throw new InputError(`data.task: ${task} needs a network with ${wanted} outputs, that of the run has ${length}`);
}

/** @throws InputError where the network was trained for other classes than the files have */
function assertSameClasses({ definition, train }: TextSets, { network, description }: TextModel): void {
  const wanted = definition.classNames ?? ['a number'];
  const trained = description.definition ? (description.definition.classNames ?? ['a number']) : network.config.labels;
  // A pretrained encoder that was converted may name its classes otherwise, or only number them.
  const written = (name: string): string => (description.definition ? name : name.toLowerCase());
  const isNumbered = trained.join() === numberedLabels(trained.length).join();
  if (trained.map(written).join('\0') === wanted.map(written).join('\0')) return;
  if (!description.definition && isNumbered && trained.length === wanted.length) return;
  const about = `${train.name} is about ${wanted.join(', ')}`;
  if (description.definition || !isNumbered)
    throw new InputError(`${about}, but the network was trained for ${trained.join(', ')}`);
  throw new InputError(
    `${about}, but the network has ${trained.length} outputs without names, expected ${wanted.length}; ` +
      'a recipe with model.pretrained trains it for them',
  );
}

function batchOptions({ data: { batchSize, padding, groupByLength } }: TextRecipe) {
  return { batchSize, padding, groupByLength } as const;
}
