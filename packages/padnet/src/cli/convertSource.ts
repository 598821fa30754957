/** What `padnet convert` starts from: a network with its weights, and outputs to compare by. */
import { existsSync, statSync } from 'node:fs';
import { isThere } from '../readRegularFile.js';
import { dirname, resolve } from 'node:path';
import { manualSeed, noGrad, ops, randn, scope, type Tensor } from '@padnet/torch';
import { IMAGENET_STATISTICS, STANDARD_CROP_FRACTION } from '../data/index.js';
import {
  loadPictureWeights,
  loadPretrained,
  maxTokens,
  type ModelOptions,
  resolvePretrained,
  type SequenceClassifier,
  textModelSchema,
} from '../models/index.js';
import type { CodeOptions } from '../ownCode/index.js';
import {
  hasModel,
  loadAnyModel,
  networkPlace,
  type PictureModel,
  pretrainedDescription,
  RunFolder,
  type SavedModel,
  type TextDescription,
} from '../runs/index.js';
import { checkWidth } from './options.js';
import { UsageError } from './usageError.js';

export interface TextSource {
  readonly modality: 'text';
  readonly network: SequenceClassifier;
  readonly description: TextDescription;
  /** Folder of the tokenizer's files. */
  readonly tokenizer: string;
}

export type ConvertSource = TextSource | PictureModel;

/** A file of weights says neither. */
export interface NamedNetwork {
  readonly model?: ModelOptions['name'];
  readonly width?: number;
  /** Told of keys of an encoder's `config.json` that are passed over, and that nothing is known of. */
  readonly onUnknownKeys?: (keys: readonly string[]) => void;
}

/**
 * @param source file of weights for pictures, folder of a finished run, of a network that `padnet convert` wrote, or of an
 *   encoder as Hugging Face saves it; or an encoder's name on the hub
 * @throws InputError where it is none of these
 */
export async function convertSource(
  source: string,
  named: NamedNetwork = {},
  code: CodeOptions = {},
): Promise<ConvertSource> {
  const isFolder = statSync(source, { throwIfNoEntry: false })?.isDirectory() ?? false;
  const isNamed = named.model !== undefined || named.width !== undefined;
  if (isNamed && isFolder)
    throw new UsageError(`--model and --width are for files of weights, and ${source} is a folder`);
  if (networkPlace(source) === 'masks') loadAnyModel(source); // says what to do with them
  if (isNamed || (existsSync(source) && !isFolder)) return weightsSource(source, named);
  const run = new RunFolder(source);
  const isRun = isThere(run.recipe);
  if (!isRun && !hasModel(source)) return await pretrainedSource(source, named);
  const model = loadAnyModel(source, code);
  return withTokenizer(model, isRun ? dirname(run.model) : source);
}

function withTokenizer(model: SavedModel, tokenizer: string): ConvertSource {
  return model.modality === 'image' ? model : { ...model, tokenizer };
}

function weightsSource(file: string, { model: name, width }: NamedNetwork): PictureModel {
  if (name === undefined) throw new UsageError(`${file} is a file of weights: say of which network with --model`);
  checkWidth(name, width);
  const options = { name, ...(width !== undefined && { width }) };
  const { network, shape, model } = loadPictureWeights(file, options);
  const side = model.stem === 'small' ? 32 : 224;
  const description: PictureModel['description'] = {
    modality: 'image',
    model,
    ...shape,
    size: [side, side],
    classNames: Array.from({ length: shape.numClasses }, (_, index) => String(index)),
    normalise:
      shape.inChannels === 3
        ? { mean: [...IMAGENET_STATISTICS.mean], std: [...IMAGENET_STATISTICS.std] }
        : { mean: Array<number>(shape.inChannels).fill(0.5), std: Array<number>(shape.inChannels).fill(0.25) },
    cropFraction: STANDARD_CROP_FRACTION,
  };
  return { modality: 'image', network, description };
}

/** What `padnet convert` wrote. */
export async function convertedSource(folder: string, code: CodeOptions = {}): Promise<ConvertSource> {
  return hasModel(folder) ? withTokenizer(loadAnyModel(folder, code), folder) : await pretrainedSource(folder);
}

/** A head that is not there is drawn afresh, the same one every time. */
async function pretrainedSource(source: string, { onUnknownKeys }: NamedNetwork = {}): Promise<TextSource> {
  const folder = await resolvePretrained(source);
  manualSeed(1);
  const { network, config } = loadPretrained(folder, { onUnknownKeys });
  const pretrained = existsSync(source) ? resolve(source) : source;
  const model = textModelSchema.parse({ pretrained });
  return {
    modality: 'text',
    network,
    description: { modality: 'text', model, maxLength: maxTokens(config), ...pretrainedDescription(folder, config) },
    tokenizer: folder,
  };
}

/** Logits of a network for random inputs, always the same ones, in evaluation mode. */
export interface Probe {
  /** Such as `4 random texts of 32 tokens`. */
  readonly inputs: string;
  readonly logits: readonly number[];
}

export function probe(source: ConvertSource): Probe {
  source.network.eval();
  manualSeed(1);
  const values = (logits: () => Tensor): number[] => scope(() => noGrad(() => logits().toArray()));
  if (source.modality === 'image') {
    const { inChannels, size } = source.description;
    return {
      inputs: '4 random pictures',
      logits: values(() => source.network.forward(randn([4, inChannels, ...size]))),
    };
  }
  const { network, description } = source;
  const shape = [4, Math.min(32, description.maxLength)] as const;
  return {
    inputs: `4 random texts of ${shape[1]} tokens`,
    logits: values(() => {
      const inputIds = ops.randint(network.config.vocabSize, shape, { dtype: 'int64' });
      return network.forward({ inputIds, attentionMask: ops.onesLike(inputIds), tokenTypeIds: null }).logits;
    }),
  };
}
