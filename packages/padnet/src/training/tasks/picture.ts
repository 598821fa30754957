/**
 * Networks for pictures: from a recipe to what is trained, and from a trained network to what evaluates or partitions
 * it.
 */
import { manualSeed, scope, type nn } from '@padnet/torch';
import { z } from 'zod';
import { convertToPartial } from '../../convert/index.js';
import type { ImageSplits, OnBadPicture } from '../../data/index.js';
import { countMacs } from '../../layers/index.js';
import {
  assertSameChannels,
  convertModel,
  createModel,
  createPretrained,
  type StaticWeights,
} from '../../models/index.js';
import { trainingSchema, type PictureRecipe } from '../../recipe/recipe.js';
import { savePictureModel, type PictureModel } from '../../runs/savedModel.js';
import { isFolder } from '../../readRegularFile.js';
import type { Evaluation } from '../task.js';
import { assertFits } from './assertFits.js';
import { loadPictures } from './pictureData.js';
import { dynamicWeights, named, readPretrained, staticWeights } from './picturePretrained.js';
import { PictureTask, type PictureTaskOptions } from './pictureTask.js';
import { toStaticOnTask } from './staticForm.js';
import type { PreparedTask, PrepareOptions, TaskKind } from './taskKind.js';

/** Without what the task does by itself. */
const trainerOptions = z.object(trainingSchema.shape);

export const pictures: TaskKind<PictureRecipe, PictureModel> = {
  prepare: preparePictures,
  savedTask: savedPictureTask,
  makeSearchable: ({ network, description: { model } }, options) => {
    convertModel(network, { ...model, layer: 'dynamic', bankInitialisation: 'copies', noise: 0 }, options);
    convertToPartial(network, { scaleMode: model.scaleMode });
  },
  hubName: () => null,
  metric: () => 'accuracy',
  networkName: ({ model }) => model.name,
};

async function preparePictures(recipe: PictureRecipe, options: PrepareOptions): Promise<PreparedTask> {
  const onBadPicture = badPictures(options);
  const splits = await loadPictures(recipe.data, {
    onBadPicture,
    onEmptyClasses: (empty) => options.onRemark?.({ type: 'emptyClasses', ...empty }),
    split: options.split,
  });
  const { train } = splits;
  assertFits(recipe, train);
  manualSeed(recipe.training.seed);
  const network = await startingNetwork(recipe, splits, options, onBadPicture);
  const { device } = options;
  const task = pictureTask(recipe, { network, splits, onBadPicture, ...(device !== undefined && { device }) });
  const shape = [train.channels, train.height, train.width];
  return {
    task,
    training: trainerOptions.parse(recipe.training),
    trainSamples: train.length,
    validationSamples: splits.validation?.length ?? 0,
    testSamples: splits.test.length,
    split: splits.split ?? null,
    sample: `${shape.join('×')} pixels`,
    countMacs: () => countMacs(network, [1, ...shape]).reduce((sum, { macs }) => sum + macs, 0),
    save: (file) => {
      savePictureModel(file, network, task.describe(recipe.model));
    },
  };
}

/** Counts them. */
function badPictures({ onRemark }: PrepareOptions): OnBadPicture {
  let count = 0;
  return (picture) => onRemark?.({ type: 'badPicture', ...picture, count: ++count });
}

async function startingNetwork(
  recipe: PictureRecipe,
  splits: ImageSplits,
  { loadsCheckpoint = false, onRemark, signal, allowCode }: PrepareOptions,
  onBadPicture: OnBadPicture,
): Promise<nn.Layer> {
  const { model } = recipe;
  const { pretrained } = model;
  const { channels: inChannels, numClasses } = splits.train;
  const shape = { inChannels, numClasses };
  if (pretrained === undefined || loadsCheckpoint) return createModel(model, shape, { allowCode });
  const onAverage = await staticPretrained(recipe, splits, { onRemark, signal, allowCode }, onBadPicture);
  return scope(() => {
    const read = onAverage ?? readPretrained(pretrained, model, { allowCode });
    const weights = 'network' in read ? dynamicWeights(read, pretrained) : read;
    const network = named(() => createPretrained(model, shape, weights, pretrained, { allowCode }));
    const { numClasses: pretrainedClasses } = weights.shape;
    if (pretrainedClasses !== numClasses)
      onRemark?.({ type: 'newClassifier', pretrained, pretrainedClasses, classes: numClasses });
    return network;
  });
}

/**
 * Static weights of a network that is not, by what its routers decide on average on the data; null: it is static, or
 * may stay so.
 */
async function staticPretrained(
  recipe: PictureRecipe,
  splits: ImageSplits,
  { onRemark, signal, allowCode }: PrepareOptions,
  onBadPicture: OnBadPicture,
): Promise<StaticWeights | null> {
  const { layer, pretrained } = recipe.model;
  if (layer !== 'static' || pretrained === undefined || !isFolder(pretrained)) return null;
  const read = readPretrained(pretrained, recipe.model, { allowCode });
  if (!('network' in read)) return read;
  const { network, description } = read;
  assertSameChannels(description.inChannels, splits.train.channels, pretrained);
  await toStaticOnTask(pictureTask(recipe, { network, splits, onBadPicture }), recipe, signal);
  onRemark?.({ type: 'pretrainedFolded', pretrained, layer: description.model.layer });
  return staticWeights(read);
}

async function savedPictureTask(
  recipe: PictureRecipe,
  { network, description: { normalise } }: PictureModel,
  options: PrepareOptions,
): Promise<PictureTask> {
  const onBadPicture = badPictures(options);
  const { split, onDividedAnew } = options;
  const splits = await loadPictures(recipe.data, { onBadPicture, split, onDividedAnew });
  return pictureTask(recipe, { network, splits, normalise, onBadPicture });
}

function pictureTask(
  { data, training: { labelSmoothing, mixup, cutmix, autocast } }: PictureRecipe,
  options: PictureTaskOptions,
): PictureTask {
  return new PictureTask({ data, labelSmoothing, mixup, cutmix, autocast, ...options });
}

/** A dynamic or partial network before and after it became static, both on the test data. */
export interface ModelToStaticResult {
  readonly before: Evaluation;
  readonly after: Evaluation;
}

/**
 * `toStatic` of the network, in place: by what its routers decide on average, on as many batches of training data as
 * the recipe partitions by (10 where it does not), without anything random.
 *
 * @throws InputError where data are missing or damaged; RangeError as `toStatic`
 */
export async function modelToStatic(
  recipe: PictureRecipe,
  model: PictureModel,
  options: PrepareOptions = {},
): Promise<ModelToStaticResult> {
  const { signal } = options;
  const task = await savedPictureTask(recipe, model, options);
  const before = await task.evaluate({ signal });
  await toStaticOnTask(task, recipe, signal);
  return { before, after: await task.evaluate({ signal }) };
}
