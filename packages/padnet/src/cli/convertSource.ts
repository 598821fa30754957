/** What `padnet convert` starts from: a network with its weights. */
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { manualSeed } from '@padnet/torch';
import { IMAGENET_STATISTICS, STANDARD_CROP_FRACTION } from '../data/index.js';
import { loadPictureWeights, loadPretrained, maxTokens, resolvePretrained, textModelSchema } from '../models/index.js';
import {
  hasModel,
  loadAnyModel,
  networkPlace,
  type PictureModel,
  pretrainedDescription,
  RunFolder,
  type TextModel,
} from '../runs/index.js';
import { isFolder, isThere } from '../readRegularFile.js';
import type { ConvertNetworkOptions, ConvertSource } from './converter.js';
import { checkWidth } from './options.js';
import { UsageError } from './usageError.js';

type SourceOptions = Pick<ConvertNetworkOptions, 'model' | 'width' | 'allowCode' | 'onRemark'>;

/**
 * @param source file of weights for pictures, folder of a finished run, of a network that `padnet convert` wrote, or of an
 *   encoder as Hugging Face saves it; or an encoder's name on the hub
 * @throws InputError where it is none of these
 */
export async function convertSource(source: string, options: SourceOptions): Promise<ConvertSource> {
  const isNamed = options.model !== undefined || options.width !== undefined;
  if (isNamed && isFolder(source))
    throw new UsageError(`--model and --width are for files of weights, and ${source} is a folder`);
  if (networkPlace(source) === 'masks') loadAnyModel(source); // says what to do with them
  if (isNamed || (existsSync(source) && !isFolder(source))) return weightsSource(source, options);
  const run = new RunFolder(source);
  const isRun = isThere(run.recipe);
  if (!isRun && !hasModel(source)) return await pretrainedSource(source, options);
  return { ...loadAnyModel(source, options), folder: isRun ? dirname(run.model) : source };
}

/** What `padnet convert` wrote. */
export async function convertedSource(folder: string, options: SourceOptions): Promise<ConvertSource> {
  return hasModel(folder) ? { ...loadAnyModel(folder, options), folder } : await pretrainedSource(folder, {});
}

function weightsSource(file: string, { model: name, width }: SourceOptions): ConvertSource<PictureModel> {
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
  return { modality: 'image', network, description, folder: dirname(file) };
}

/** A head that is not there is drawn afresh, the same one every time. */
async function pretrainedSource(source: string, { onRemark }: SourceOptions): Promise<ConvertSource<TextModel>> {
  const folder = await resolvePretrained(source);
  manualSeed(1);
  const { network, config } = loadPretrained(folder, {
    onUnknownKeys: (keys) => onRemark?.({ type: 'unknownKeys', pretrained: source, keys }),
  });
  const pretrained = existsSync(source) ? resolve(source) : source;
  const model = textModelSchema.parse({ pretrained });
  return {
    modality: 'text',
    network,
    description: { modality: 'text', model, maxLength: maxTokens(config), ...pretrainedDescription(folder, config) },
    folder,
  };
}
