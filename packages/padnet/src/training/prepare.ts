/** From a recipe to what is trained: the one place that knows every modality. */
import { manualSeed, scope, type Device, type nn } from '@padnet/torch';
import {
  glueDefinition,
  loadTokenizer,
  numOutputs,
  type DataSplit,
  type GlueTaskName,
  type ImageSplits,
  type OnBadPicture,
  type TextDefinition,
  type Truncation,
} from '../data/index.js';
import { InputError } from '../errors.js';
import { countMacs, type LayerCost } from '../layers/index.js';
import {
  assertSameChannels,
  countTextMacs,
  createModel,
  createPretrained,
  maxTokens,
  numberedLabels,
  type LoadPretrainedOptions,
  type ModelShape,
  type SequenceClassifier,
  type StaticWeights,
  type TextConfig,
} from '../models/index.js';
import type { CodeOptions } from '../ownCode/index.js';
import { saliencyOf, type Saliency } from '../partition/index.js';
import { assertExpertsFit, assertFits } from './assertFits.js';
import { loadPictures, loadTexts, tokeniseTexts, type LoadPicturesOptions, type TextSets } from './loadData.js';
import { PictureTask } from './pictureTask.js';
import { createFromStart, resolveTextStart, type TextStart } from './pretrainedTexts.js';
import { dynamicWeights, isFolder, named, readPretrained, staticWeights } from './pretrainedWeights.js';
import type { PictureRecipe, Recipe, TextRecipe } from '../recipe/recipe.js';
import {
  savePictureModel,
  saveTextModel,
  type PictureModel,
  type SavedModel,
  type TextModel,
} from '../runs/savedModel.js';
import { foldOnTask } from './staticForm.js';
import type { Task } from './task.js';
import { TextTask, type TextSplits } from './textTask.js';
import type { TrainerOptions } from './trainer.js';

export interface PrepareOptions extends CodeOptions {
  /** @default 'cpu' */
  readonly device?: Device;
  /** Told once a data set, where texts are longer than `data.maxLength` or the encoder's positions. */
  readonly onTruncate?: ((truncation: Truncation) => void) | undefined;
  /** Told of each picture that `data.onBadPicture: skip` leaves out, once. */
  readonly onBadPicture?: OnBadPicture | undefined;
  /** Told where there is no training picture of some classes. */
  readonly onEmptyClasses?: LoadPicturesOptions['onEmptyClasses'];
  /** How the run divided its samples when it began. @default as the recipe says */
  readonly split?: DataSplit | undefined;
  /** Told where the classifier of `model.pretrained` is for other classes, and so a fresh one takes its place. */
  readonly onNewClassifier?: ((classifier: NewClassifier) => void) | undefined;
  /** Told of keys of the encoder's `config.json` that are passed over, and that nothing is known of. */
  readonly onUnknownKeys?: ((keys: readonly string[]) => void) | undefined;
  /** Told where `model.pretrained` is dynamic or partial and a static network starts from its mean. */
  readonly onPretrainedFolded?: ((folded: PretrainedFolded) => void) | undefined;
  /** Whether the weights of a checkpoint are loaded next: `model.pretrained` of pictures is then not read. @default false */
  readonly loadsCheckpoint?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** A static network starts from one that is not. */
export interface PretrainedFolded {
  /** What `model.pretrained` names. */
  readonly pretrained: string;
  /** What it is. */
  readonly layer: string;
}

export interface NewClassifier {
  /** What `model.pretrained` names. */
  readonly pretrained: string;
  readonly pretrainedClasses: number;
  readonly classes: number;
}

/** A task that is ready to be trained. */
export interface PreparedTask {
  readonly task: Task;
  /** What a `Trainer` is given. */
  readonly training: TrainerOptions['training'];
  /** What the recipe partitions by. */
  readonly saliency: Saliency;
  readonly trainSamples: number;
  readonly testSamples: number;
  /** How the samples were divided, where the data did not say so; null: they did. */
  readonly split: DataSplit | null;
  /** What one sample is, in words; for texts the longest. */
  readonly sample: string;
  /** Multiply-accumulates of a forward pass of that sample. */
  countMacs(): number;
  /** Writes the network, and what it needs to be used, at the path of a `model.json`. */
  save(file: string): void;
}

/**
 * Loads the data and makes the network, from the recipe's seed.
 *
 * @throws InputError where data or pretrained weights are missing or damaged, or code of one's own may not be run or is wrong
 */
export async function prepareTask(recipe: Recipe, options: PrepareOptions = {}): Promise<PreparedTask> {
  return recipe.modality === 'image' ? await preparePictures(recipe, options) : await prepareTexts(recipe, options);
}

async function preparePictures(recipe: PictureRecipe, options: PrepareOptions): Promise<PreparedTask> {
  const { device = 'cpu', onBadPicture } = options;
  const saliency = recipeSaliency(recipe, options);
  const splits = await loadPictures(recipe.data, options);
  const { train } = splits;
  assertFits(recipe, train);
  manualSeed(recipe.training.seed);
  const network = await startingNetwork(recipe, splits, options);
  const task = pictureTask(recipe, { network, splits, device, onBadPicture });
  return {
    task,
    training: trainerOptions(recipe.training),
    saliency,
    trainSamples: train.length,
    testSamples: splits.test.length,
    split: splits.split ?? null,
    sample: `${train.channels}×${train.height}×${train.width} pixels`,
    countMacs: () => sumMacs(countMacs(network, [1, train.channels, train.height, train.width])),
    save: (file) => {
      savePictureModel(file, network, task.describe(recipe.model));
    },
  };
}

function recipeSaliency({ partition }: Recipe, options: PrepareOptions): Saliency {
  return saliencyOf(partition?.saliency ?? 'maskGradient', options);
}

async function startingNetwork(
  recipe: PictureRecipe,
  splits: ImageSplits,
  { loadsCheckpoint = false, onNewClassifier, onPretrainedFolded, onBadPicture, signal, allowCode }: PrepareOptions,
): Promise<nn.Layer> {
  const { model } = recipe;
  const { pretrained } = model;
  const { channels: inChannels, numClasses } = splits.train;
  const shape: ModelShape = { inChannels, numClasses };
  if (pretrained === undefined || loadsCheckpoint) return createModel(model, shape, { allowCode });
  const folded = await foldedPretrained(recipe, splits, { onPretrainedFolded, onBadPicture, signal, allowCode });
  return scope(() => {
    const read = folded ?? readPretrained(pretrained, model, { allowCode });
    const weights = 'network' in read ? dynamicWeights(read, pretrained) : read;
    const network = named(() => createPretrained(model, shape, weights, pretrained, { allowCode }));
    const { numClasses: pretrainedClasses } = weights.shape;
    if (pretrainedClasses !== numClasses) onNewClassifier?.({ pretrained, pretrainedClasses, classes: numClasses });
    return network;
  });
}

/** Where a static network is to start from one that is not: static weights, by what its routers decide on average on the data. */
async function foldedPretrained(
  recipe: PictureRecipe,
  splits: ImageSplits,
  { onPretrainedFolded, onBadPicture, signal, allowCode }: PrepareOptions,
): Promise<StaticWeights | null> {
  const { layer, pretrained } = recipe.model;
  if (layer !== 'static' || pretrained === undefined || !isFolder(pretrained)) return null;
  const read = readPretrained(pretrained, recipe.model, { allowCode });
  if (!('network' in read)) return read;
  const { network, description } = read;
  assertSameChannels(description.inChannels, splits.train.channels, pretrained);
  await foldOnTask(pictureTask(recipe, { network, splits, onBadPicture }), recipe, signal);
  onPretrainedFolded?.({ pretrained, layer: description.model.layer });
  return staticWeights(read);
}

/** Without what the task does by itself. */
function trainerOptions(training: PictureRecipe['training']): TrainerOptions['training'] {
  const kept: Partial<PictureRecipe['training']> = { ...training };
  delete kept.labelSmoothing;
  delete kept.mixup;
  delete kept.cutmix;
  delete kept.autocast;
  return { ...kept, epochs: training.epochs };
}

async function prepareTexts(recipe: TextRecipe, options: PrepareOptions): Promise<PreparedTask> {
  const { device = 'cpu', onTruncate, onUnknownKeys, signal, split } = options;
  const { data, model } = recipe;
  const saliency = recipeSaliency(recipe, options);
  const sets = loadTexts(data, { split });
  const start = await resolveTextStart(model.pretrained, signal);
  const { folder } = start;
  const tokenizer = loadTokenizer(folder);
  manualSeed(recipe.training.seed);
  assertExpertsFit(recipe, start.config);
  const { definition, split: divided } = sets;
  const network = startingEncoder(model, start, { ...headOf(definition), onUnknownKeys });
  const maxLength = Math.min(data.maxLength, maxTokens(network.config));
  const splits = tokeniseTexts(sets, tokenizer, { maxLength, onTruncate });
  assertKnownTokens(splits, network.config, folder);
  return {
    task: new TextTask({ ...batchOptions(recipe), definition, network, splits, device }),
    training: { ...recipe.training, optimizer: 'adamw' },
    saliency,
    trainSamples: sets.train.length,
    testSamples: sets.test.length,
    split: divided,
    sample: `${maxLength} tokens`,
    countMacs: () => sumMacs(countTextMacs(network, maxLength)),
    save: (file) => {
      const task = data.name === 'glue' ? data.task : undefined;
      saveTextModel(file, network, { modality: 'text', model, task, definition, maxLength }, folder);
    },
  };
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
  for (const { name, inputIds, tokenTypeIds } of [splits.train, splits.test, splits.testMismatched ?? splits.test]) {
    const id = inputIds.find((each) => each >= vocabSize);
    const type = tokenTypeIds.find((each) => each >= typeVocabSize);
    if (id === undefined && type === undefined) continue;
    const [what, has] =
      id === undefined ? [`token type ${type}`, `${typeVocabSize} types`] : [`token ${id}`, `${vocabSize} tokens`];
    throw new InputError(
      `${folder}: the tokenizer gives ${name} ${what}, but config.json knows ${has}; give a folder whose tokenizer and ` +
        'config.json are of one model',
    );
  }
}

/** The network's outputs: one for each class, or one number. */
function headOf({ classNames }: TextDefinition): { readonly labels: readonly string[] } | { readonly numLabels: 1 } {
  return classNames ? { labels: classNames } : { numLabels: 1 };
}

function sumMacs(costs: readonly LayerCost[]): number {
  return costs.reduce((sum, { macs }) => sum + macs, 0);
}

/**
 * What evaluates or partitions a trained network, on the data of its run's recipe.
 *
 * @throws InputError where the recipe is for another kind of network, or data are missing or damaged
 */
export async function savedTask(
  recipe: Recipe,
  model: SavedModel,
  { onTruncate, onBadPicture, split }: PrepareOptions = {},
): Promise<Task> {
  if (recipe.modality === 'image' && model.modality === 'image')
    return await savedPictureTask(recipe, model, { onBadPicture, split });
  if (recipe.modality === 'text' && model.modality === 'text') return textTask(recipe, model, { onTruncate, split });
  throw new InputError(`the recipe is for ${recipe.modality}, the network for ${model.modality}`);
}

/** `savedTask` of pictures. */
export async function savedPictureTask(
  recipe: PictureRecipe,
  model: PictureModel,
  { onBadPicture, split }: PrepareOptions = {},
): Promise<PictureTask> {
  const splits = await loadPictures(recipe.data, { onBadPicture, split });
  return pictureTask(recipe, { network: model.network, splits, model, onBadPicture });
}

function textTask(recipe: TextRecipe, model: TextModel, { onTruncate, split }: PrepareOptions): TextTask {
  const { data } = recipe;
  const { network, tokenizer, description } = model;
  // What GLUE's tasks are about is known before their files are read.
  if (data.name === 'glue') assertOutputs(data.task, model);
  const sets = loadTexts(data, { split });
  if (data.name === 'text') assertSameClasses(sets, model);
  const { maxLength } = description;
  const splits = tokeniseTexts(sets, tokenizer, { maxLength, onTruncate });
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

function pictureTask(
  { data, training: { labelSmoothing, mixup, cutmix, autocast } }: PictureRecipe,
  options: {
    readonly network: PictureModel['network'];
    readonly splits: ImageSplits;
    readonly model?: PictureModel;
    readonly device?: Device;
    readonly onBadPicture: OnBadPicture | undefined;
  },
): PictureTask {
  const { network, splits, model, device, onBadPicture } = options;
  const normalise = model?.description.normalise;
  return new PictureTask({
    network,
    splits,
    data,
    labelSmoothing,
    mixup,
    cutmix,
    autocast,
    ...(normalise && { normalise }),
    onBadPicture,
    ...(device !== undefined && { device }),
  });
}
