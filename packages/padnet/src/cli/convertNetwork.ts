/** Makes a static, dynamic or partial network another of these, or a Hugging Face folder of a static one. */
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { manualSeed, noGrad, scope } from '@padnet/torch';
import type { NetworkCounts } from '../analysis/index.js';
import { IMAGENET_STATISTICS, STANDARD_CROP_FRACTION } from '../data/index.js';
import { InputError } from '../errors.js';
import {
  type LayerKind,
  loadPictureWeights,
  loadPretrained,
  maxTokens,
  resolvePretrained,
  textModelSchema,
} from '../models/index.js';
import { isFolder, isThere } from '../readRegularFile.js';
import {
  folderOfModel,
  hasModel,
  loadAnyModel,
  networkPlace,
  type PictureModel,
  pretrainedDescription,
  RunFolder,
  type TextModel,
} from '../runs/index.js';
import { type ConvertSource, countsOf, type ToStaticCost, type WrittenNetwork, writtenNetwork } from './converter.js';
import type { ConvertOptions } from './convertOptions.js';
import { commandsOf } from './modalities.js';
import { writeNetworkFolder } from './networkFolder.js';
import { checkWidth } from './options.js';
import { optionName, refuseOptions, refuseUsage, UsageError } from './usage.js';

export interface Conversion extends WrittenNetwork {
  readonly before: NetworkCounts;
  /** Largest difference of logits before and after, and of what. */
  readonly difference: number;
  readonly inputs: string;
  /** Null but where a dynamic or partial network became static. */
  readonly cost: ToStaticCost | null;
}

/**
 * Reads what was written before it compares.
 *
 * @throws InputError where `path` has no network that can become what is asked for, or the folder to write has a
 * network
 */
export async function convertNetwork(path: string, options: ConvertOptions): Promise<Conversion> {
  const { out, force = false } = options;
  const source = await convertSource(path, options);
  checkOptions(source, path, options);
  const { convert } = commandsOf(source.modality);
  return await writeNetworkFolder(out, { source: path, force }, async (folder) => {
    const before = countsOf(source);
    const { logits: wanted, inputs } = probe(source);
    manualSeed(1); // noise is the same every time
    const cost = await convert.write(path, source, folder, options);
    const written = await convertedSource(folder, options);
    return {
      ...writtenNetwork(written, folder, out),
      before,
      difference: Math.max(...probe(written).logits.map((value, index) => Math.abs(value - wanted[index]!))),
      inputs,
      cost,
    };
  });
}

/** Logits of a network for random inputs, always the same ones, in evaluation mode. */
function probe(source: ConvertSource): { readonly inputs: string; readonly logits: readonly number[] } {
  source.network.eval();
  manualSeed(1);
  const { inputs, logits } = commandsOf(source.modality).convert.probe(source);
  return { inputs, logits: scope(() => noGrad(() => logits().toArray())) };
}

/** @throws UsageError or InputError on what makes no sense, saying what to do instead */
function checkOptions(source: ConvertSource, path: string, options: ConvertOptions): void {
  const { description } = source;
  const { layer, ratio } = options;
  const { convert } = commandsOf(source.modality);
  const from = description.model.layer;
  // A static encoder becomes a folder for Hugging Face, a file of weights a network.
  if (from === layer && !(layer === 'static' && convert.writesStatic(options)))
    throw new InputError(alreadyText(path, layer));
  if (options.recipe !== undefined && !(convert.measuresRouters && from !== 'static'))
    throw new UsageError('--recipe is for a dynamic network for pictures, whose routers are measured on its data');
  const obstacle = layer === 'static' && from !== 'static' ? convert.staticObstacle(path, from) : null;
  if (obstacle !== null) throw new InputError(obstacle);
  refuseOptions(options, convert.refused, (option, purpose) => `${option} is for networks for ${purpose}`);
  const ofCopies = ['experts', 'k', 'position', 'layers', 'kernels', 'convolution', 'routerWidth', 'noise'] as const;
  const copied = ofCopies.find((name) => options[name] !== undefined);
  refuseUsage({
    '--kernels is for convolutions that mix kernels, and dcd does not':
      options.kernels !== undefined && options.convolution === 'dcd',
    '--router-width is for the routers of dyconv and odconv':
      options.routerWidth !== undefined && !['dyconv', 'odconv', undefined].includes(options.convolution),
    [`${optionName(copied ?? '')} is for what becomes dynamic, not --layer static`]:
      copied !== undefined && layer === 'static',
    [`${optionName(copied ?? '')} is for a static network; ${path} is dynamic already`]:
      copied !== undefined && from !== 'static',
    [`--ratio is for --layer partial, not ${layer}`]: ratio !== undefined && layer !== 'partial',
  });
}

function alreadyText(path: string, layer: LayerKind): string {
  if (layer !== 'partial') return `${path} is ${layer === 'static' ? 'static' : 'dynamic'} already`;
  return (
    `${path} is partial already; \`padnet partition ${path} --ratio <number>\` finds fewer dynamic entries by ` +
    'the loss, and a recipe with model.pretrained and partition.masks trains with them'
  );
}

type SourceOptions = Pick<ConvertOptions, 'model' | 'width' | 'allowCode' | 'onRemark'>;

/**
 * The network to start from, with its weights.
 *
 * @param source file of weights for pictures, folder of a finished run, of a network that `padnet convert` wrote, or of
 *   an encoder as Hugging Face saves it; or an encoder's name on the hub
 * @throws InputError where it is none of these
 */
async function convertSource(source: string, options: SourceOptions): Promise<ConvertSource> {
  const isNamed = options.model !== undefined || options.width !== undefined;
  if (isNamed && isFolder(source))
    throw new UsageError(`--model and --width are for files of weights, and ${source} is a folder`);
  if (['masks', 'compact'].includes(networkPlace(source))) loadAnyModel(source); // says what to do with them
  if (isNamed || (existsSync(source) && !isFolder(source))) return weightsSource(source, options);
  const isRun = isThere(new RunFolder(source).recipe);
  if (!isRun && !hasModel(source)) return await pretrainedSource(source, options);
  return { ...loadAnyModel(source, options), folder: folderOfModel(source) };
}

/** The network that was written. */
async function convertedSource(folder: string, options: SourceOptions): Promise<ConvertSource> {
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
