/** Makes a static network dynamic or partially dynamic, or a Hugging Face folder of it; and a dynamic one static. */
import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { manualSeed, randn, type nn } from '@padnet/torch';
import type { z } from 'zod';
import type { MoEPosition } from '../convert/index.js';
import type { OnBadPicture } from '../data/index.js';
import { describeIssues, InputError } from '../errors.js';
import {
  convertModel,
  convertTextModel,
  modelSchema,
  savePretrained,
  textModelSchema,
  type DynamicConvolution,
  type ModelOptions,
} from '../models/index.js';
import type { CodeOptions } from '../ownCode/index.js';
import { applyPartition, iterativeModePartition, saliencies } from '../partition/index.js';
import { countNetwork, picturePass, textPass, type NetworkCounts, type RunLayer } from '../report/index.js';
import { copyTokenizer, foldObstacle, savePictureModel, saveTextModel, type PictureModel } from '../training/index.js';
import { convertedSource, convertSource, probe, type ConvertSource, type TextSource } from './convertSource.js';
import { foldNetwork, type FoldCost } from './foldNetwork.js';
import { UsageError } from './usageError.js';

export interface ConvertNetworkOptions extends CodeOptions {
  readonly layer: RunLayer;
  /** Of a file of weights for pictures: the network, and its width where it is not the published one. */
  readonly model?: ModelOptions['name'];
  readonly width?: number;
  /** E. @default 8 */
  readonly experts?: number;
  /** Experts computed for a token. @default 2 */
  readonly k?: number;
  /** Whose dynamic convolution. @default 'dyconv' */
  readonly convolution?: DynamicConvolution;
  /** K of convolutions. @default 4 */
  readonly kernels?: number;
  readonly position?: MoEPosition;
  /** Feed-forward blocks. @default all */
  readonly layers?: readonly number[];
  /** In standard deviations of the weight. @default 0 */
  readonly noise?: number;
  /** κ of `pad`, by magnitude. @default 1 */
  readonly ratio?: number;
  readonly out: string;
  readonly force: boolean;
  /** Told of each picture that is left out where a network is folded. */
  readonly onBadPicture?: OnBadPicture;
  /** Told of keys of an encoder's `config.json` that are passed over, and that nothing is known of. */
  readonly onUnknownKeys?: (keys: readonly string[]) => void;
  readonly signal?: AbortSignal;
}

export interface Conversion {
  readonly before: NetworkCounts;
  readonly after: NetworkCounts;
  /** Largest difference of logits before and after, and of what. */
  readonly difference: number;
  readonly inputs: string;
  /** Of a dynamic or partial network that became static; else null. */
  readonly cost: FoldCost | null;
  readonly file: string;
  readonly fileBytes: number;
}

/**
 * Reads what was written before it compares.
 *
 * @throws InputError where `path` has no network that can become what is asked for, or the folder to write has one already
 */
export async function convertNetwork(path: string, options: ConvertNetworkOptions): Promise<Conversion> {
  const { out } = options;
  const source = await convertSource(path, options, options);
  checkOptions(source, path, options);
  checkFolder(options);
  const before = countsOf(source);
  const { logits: wanted, inputs } = probe(source);
  // Noise is the same every time.
  manualSeed(1);
  const isHuggingFace = source.modality === 'text' && options.layer === 'static';
  let cost: FoldCost | null = null;
  if (source.modality === 'text') {
    if (isHuggingFace) writeHuggingFace(source, out);
    else await writeTexts(source, options);
  } else if (options.layer === 'static') cost = await writeStatic(path, source, options);
  else await writePictures(source, options);
  // Of a network of the other form that was replaced.
  rmSync(join(out, isHuggingFace ? 'model.json' : 'config.json'), { force: true });
  const written = await convertedSource(out, options);
  const file = join(out, 'model.safetensors');
  return {
    before,
    after: countsOf(written),
    difference: Math.max(...probe(written).logits.map((value, index) => Math.abs(value - wanted[index]!))),
    inputs,
    cost,
    file,
    fileBytes: statSync(file).size,
  };
}

/** Options that mean nothing for this network are mistakes. */
function checkOptions(source: ConvertSource, path: string, options: ConvertNetworkOptions): void {
  const { modality, description } = source;
  const { layer, ratio } = options;
  const kinds: readonly RunLayer[] = modality === 'image' ? ['dyconv', 'pad'] : ['moe', 'pad', 'static'];
  if (description.model.layer !== 'static') checkFold(source, path, options);
  else if (!kinds.includes(layer)) {
    const what = modality === 'image' ? 'pictures' : 'texts';
    throw new UsageError(`--layer ${layer}: ${path} has a network for ${what}; expected ${kinds.join(', ')}`);
  }
  const foreign =
    modality === 'image' ? (['experts', 'k', 'position', 'layers'] as const) : (['kernels', 'convolution'] as const);
  for (const name of foreign) {
    if (options[name] !== undefined)
      throw new UsageError(`--${name} is for networks for ${modality === 'image' ? 'texts' : 'pictures'}`);
  }
  if (options.kernels !== undefined && options.convolution === 'dcd')
    throw new UsageError('--kernels is for convolutions that mix kernels, and dcd does not');
  if (layer === 'static') {
    for (const name of ['experts', 'k', 'position', 'layers', 'kernels', 'convolution', 'noise'] as const) {
      if (options[name] !== undefined)
        throw new UsageError(`--${name} is for what becomes dynamic, not --layer static`);
    }
  }
  if (ratio !== undefined && layer !== 'pad') throw new UsageError(`--ratio is for --layer pad, not ${layer}`);
}

/** A network that is not static can only become so. */
function checkFold(source: ConvertSource, path: string, { layer }: ConvertNetworkOptions): void {
  const obstacle = foldObstacle(path, source);
  if (layer === 'static' && obstacle === null) return;
  const what = `${path} has a network with model.layer: ${source.description.model.layer}`;
  throw new InputError(
    layer === 'static'
      ? `${what}; ${obstacle!}`
      : `${what}; only a static one can be converted; ${obstacle ?? '--layer static folds it to one'}`,
  );
}

function checkFolder({ out, force }: ConvertNetworkOptions): void {
  if (existsSync(join(out, 'recipe.yaml'))) throw new InputError(`${out} is a training run; choose another folder`);
  const taken = ['model.json', 'config.json'].some((name) => existsSync(join(out, name)));
  if (taken && !force) throw new InputError(`${out} has a network already; --force replaces it`);
}

function countsOf(source: ConvertSource): NetworkCounts {
  if (source.modality === 'text') return countNetwork(source.network, textPass(source.network));
  const { network, description } = source;
  return countNetwork(network, picturePass(network, [description.inChannels, ...description.size]));
}

async function writePictures({ network, description }: PictureModel, options: ConvertNetworkOptions): Promise<void> {
  const { layer, convolution = 'dyconv', kernels: numKernels = 4, noise = 0, ratio = 1, out } = options;
  const model = parsed(modelSchema, {
    ...description.model,
    layer,
    convolution,
    numKernels,
    noise,
    bankInitialisation: 'copies',
  });
  convertModel(network, model);
  const { inChannels, size } = description;
  await partitionByMagnitude(network, ratio, () => network.forward(randn([1, inChannels, ...size])));
  savePictureModel(join(out, 'model.json'), network, { ...description, model });
}

async function writeStatic(path: string, model: PictureModel, options: ConvertNetworkOptions): Promise<FoldCost> {
  const { network, description } = model;
  const cost = await foldNetwork(path, model, options);
  savePictureModel(join(options.out, 'model.json'), network, description);
  return cost;
}

async function writeTexts(
  { network, description, tokenizer }: TextSource,
  options: ConvertNetworkOptions,
): Promise<void> {
  const { layer, experts: numExperts = 8, k = 2, position = 'both', layers, noise = 0, ratio = 1, out } = options;
  const model = parsed(textModelSchema, { ...description.model, layer, numExperts, k, position, layers, noise });
  try {
    convertTextModel(network, model);
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
  await partitionByMagnitude(network, ratio, () => undefined);
  saveTextModel(join(out, 'model.json'), network, { ...description, model }, tokenizer);
}

/** @throws UsageError where an option is out of range */
function parsed<Schema extends z.ZodType>(schema: Schema, values: unknown): z.infer<Schema> {
  const { data, error } = schema.safeParse(values);
  if (error) throw new UsageError(describeIssues(error));
  return data;
}

/**
 * Without data: the largest entries stay dynamic. Any mask gives the same output while experts are copies.
 *
 * @param pass runs the network, whose routers decide alike for every input
 */
async function partitionByMagnitude(network: nn.Module, ratio: number, pass: () => unknown): Promise<void> {
  if (ratio === 1) return;
  const { magnitude: saliency } = saliencies;
  const partition = await iterativeModePartition(network, { ratio, rounds: 1, saliency, batchLosses: [] });
  applyPartition(network, partition, [pass]);
}

function writeHuggingFace({ network, tokenizer }: TextSource, out: string): void {
  mkdirSync(out, { recursive: true });
  copyTokenizer(tokenizer, out);
  savePretrained(out, network);
}
