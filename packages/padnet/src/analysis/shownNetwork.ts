/** Networks to look at: what a recipe would train, or what a run has trained, with a sample to run through it. */
import type { nn } from '@padnet/torch';
import { CIFAR_SHAPE, cifarFormats, FASHION_MNIST_CLASSES, numOutputs } from '../data/index.js';
import {
  createModel,
  createTextShape,
  readTextConfig,
  SequenceClassifier,
  type TextConfig,
  type TextModelOptions,
} from '../models/index.js';
import type { CodeOptions } from '../ownCode/index.js';
import { applyPartition, decodePartition } from '../partition/index.js';
import type { PictureDataOptions, Recipe } from '../recipe/index.js';
import { loadRunModel, type Run, type SavedModel } from '../runs/index.js';
import { loadPictures, resolveTextStart, textDefinition } from '../training/index.js';
import { isThere, readRegularFile } from '../readRegularFile.js';
import { picturePass, textPass, type SamplePass } from './samplePass.js';

export interface ShownNetwork {
  readonly network: nn.Module;
  readonly pass: SamplePass;
  /** The configuration of a text encoder; null for pictures. */
  readonly config: TextConfig | null;
}

/** The network with the weights it was trained to. */
export function networkOfModel(model: SavedModel): ShownNetwork {
  const { modality, network, description } = model;
  if (modality === 'text') return { network, pass: textPass(network), config: network.config };
  return { network, pass: picturePass(network, [description.inChannels, ...description.size]), config: null };
}

/**
 * With fresh weights: only sizes are read, of pictures and encoders.
 *
 * @throws InputError where files are missing or damaged, or as `createModel`
 */
export async function networkOfRecipe(
  { modality, model, data }: Recipe,
  code: CodeOptions = {},
): Promise<ShownNetwork> {
  if (modality === 'text') return await encoderOf(model, numOutputs(textDefinition(data)));
  const { shape, numClasses } = await pictureShape(data);
  const network = createModel(model, { inChannels: shape[0], numClasses }, code);
  return { network, pass: picturePass(network, shape), config: null };
}

/**
 * The trained network of a run; where it has not finished, what it trains, with its masks where it has been
 * partitioned.
 */
export async function networkOfRun({ folder, recipe }: Run, code: CodeOptions = {}): Promise<ShownNetwork> {
  if (isThere(folder.model)) return networkOfModel(loadRunModel(folder.path, code));
  const shown = await networkOfRecipe(recipe, code);
  if (isThere(folder.partition)) {
    const partition = decodePartition(readRegularFile(folder.partition, { expected: 'masks' }), folder.partition);
    applyPartition(shown.network, partition, [() => shown.pass.run()]);
  }
  return shown;
}

/** The static encoder of a folder with a `config.json`. @throws InputError where it is damaged */
export function networkOfFolder(folder: string): ShownNetwork {
  const config = readTextConfig(folder);
  const network = new SequenceClassifier(config);
  return { network, pass: textPass(network), config };
}

async function encoderOf(model: TextModelOptions, numLabels: number): Promise<ShownNetwork> {
  const labels = Array.from({ length: numLabels }, (_, index) => `LABEL_${index}`);
  const config = { ...(await resolveTextStart(model.pretrained)).config, labels };
  const network = createTextShape(model, config);
  return { network, pass: textPass(network), config };
}

/** Reads no file where the data set's name says it all. */
async function pictureShape(data: PictureDataOptions): Promise<{
  readonly shape: readonly [channels: number, height: number, width: number];
  readonly numClasses: number;
}> {
  switch (data.name) {
    case 'fashionMnist':
      return { shape: [1, 28, 28], numClasses: FASHION_MNIST_CLASSES.length };
    case 'cifar10':
    case 'cifar100':
      return { shape: CIFAR_SHAPE, numClasses: cifarFormats[data.name].numClasses };
    case 'idx':
    case 'imageFolder': {
      const { channels, height, width, numClasses } = (await loadPictures(data)).train;
      return { shape: [channels, height, width], numClasses };
    }
  }
}
