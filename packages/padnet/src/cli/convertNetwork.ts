/** Makes a static, dynamic or partial network another of these, or a Hugging Face folder of a static one. */
import { statSync } from 'node:fs';
import { isThere } from '../readRegularFile.js';
import { join } from 'node:path';
import { manualSeed, randn, type nn } from '@padnet/torch';
import { countNetwork, type NetworkCounts, picturePass, type RunLayer, textPass } from '../analysis/index.js';
import type { MoEPosition } from '../convert/index.js';
import type { DataSplit, OnBadPicture } from '../data/index.js';
import {
  convertModel,
  convertTextModel,
  type DynamicConvolution,
  type ModelOptions,
  modelSchema,
  textModelSchema,
} from '../models/index.js';
import type { CodeOptions } from '../ownCode/index.js';
import {
  applyPartition,
  encodePartition,
  meanIntoStatic,
  iterativeModePartition,
  measuresMean,
  saliencies,
} from '../partition/index.js';
import { DEFAULT_PARTITION_BATCHES, parseSection, type PictureRecipe } from '../recipe/index.js';
import {
  copyTokenizer,
  type PictureModel,
  readRun,
  RunFolder,
  savePictureModel,
  savePretrainedText,
  saveTextModel,
} from '../runs/index.js';
import { noStaticMixture, type PartitionLosses, savedTask, writeFileAtomic } from '../training/index.js';
import { InputError } from '../errors.js';
import { convertedSource, convertSource, probe, type ConvertSource, type TextSource } from './convertSource.js';
import { foldNetwork, type FoldCost } from './foldNetwork.js';
import { writeNetworkFolder } from './networkFolder.js';
import { readDataRecipe } from './runRecipe.js';
import { tableOptions } from './textInputs.js';
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
  /** A recipe's file, on whose data it is measured what routers decide on average. @default that of the run */
  readonly recipe?: string;
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
  const { out, force } = options;
  const source = await convertSource(path, options, options);
  checkOptions(source, path, options);
  return await writeNetworkFolder(out, { source: path, force }, async (folder) => {
    const before = countsOf(source);
    const { logits: wanted, inputs } = probe(source);
    // Noise is the same every time.
    manualSeed(1);
    let cost: FoldCost | null = null;
    if (source.modality === 'image') cost = await writePictures(path, source, folder, options);
    else if (options.layer === 'static') writeHuggingFace(path, source, folder);
    else await writeTexts(path, source, folder, options);
    const written = await convertedSource(folder, options);
    return {
      before,
      after: countsOf(written),
      difference: Math.max(...probe(written).logits.map((value, index) => Math.abs(value - wanted[index]!))),
      inputs,
      cost,
      file: join(out, 'model.safetensors'),
      fileBytes: statSync(join(folder, 'model.safetensors')).size,
    };
  });
}

/** What makes no sense is a mistake, and what to do instead is said. */
function checkOptions(source: ConvertSource, path: string, options: ConvertNetworkOptions): void {
  const { modality, description } = source;
  const { layer, ratio } = options;
  const from = description.model.layer;
  const kinds: readonly RunLayer[] = modality === 'image' ? ['static', 'dyconv', 'pad'] : ['static', 'moe', 'pad'];
  if (!kinds.includes(layer)) {
    const what = modality === 'image' ? 'pictures' : 'texts';
    throw new UsageError(`--layer ${layer}: ${path} has a network for ${what}; expected ${kinds.join(', ')}`);
  }
  // A static encoder becomes a folder for Hugging Face, a file of weights a network.
  const isWritten = layer === 'static' && (modality === 'text' || options.model !== undefined);
  if (from === layer && !isWritten) throw new InputError(alreadyText(path, layer));
  if (options.recipe !== undefined && !(modality === 'image' && from !== 'static'))
    throw new UsageError('--recipe is for a dynamic network for pictures, whose routers are measured on its data');
  if (modality === 'text' && layer === 'static' && from !== 'static') {
    throw new InputError(
      `${path} has a network with model.layer: ${from}; ${noStaticMixture}; a recipe with model.pretrained: ${path}, model.layer: pad ` +
        'and partition.ratio: 0 trains one',
    );
  }
  const foreign =
    modality === 'image' ? (['experts', 'k', 'position', 'layers'] as const) : (['kernels', 'convolution'] as const);
  for (const name of foreign) {
    if (options[name] !== undefined)
      throw new UsageError(`--${name} is for networks for ${modality === 'image' ? 'texts' : 'pictures'}`);
  }
  if (options.kernels !== undefined && options.convolution === 'dcd')
    throw new UsageError('--kernels is for convolutions that mix kernels, and dcd does not');
  for (const name of ['experts', 'k', 'position', 'layers', 'kernels', 'convolution', 'noise'] as const) {
    if (options[name] === undefined) continue;
    if (layer === 'static') throw new UsageError(`--${name} is for what becomes dynamic, not --layer static`);
    if (from !== 'static') throw new UsageError(`--${name} is for a static network; ${path} is dynamic already`);
  }
  if (ratio !== undefined && layer !== 'pad') throw new UsageError(`--ratio is for --layer pad, not ${layer}`);
}

function alreadyText(path: string, layer: RunLayer): string {
  if (layer !== 'pad') return `${path} is ${layer === 'static' ? 'static' : 'dynamic'} already`;
  return (
    `${path} is partial already; \`padnet partition ${path} --ratio <number>\` finds fewer dynamic entries by the loss, and a recipe ` +
    'with model.pretrained and partition.masks trains with them'
  );
}

function countsOf(source: ConvertSource): NetworkCounts {
  if (source.modality === 'text') return countNetwork(source.network, textPass(source.network));
  const { network, description } = source;
  return countNetwork(network, picturePass(network, [description.inChannels, ...description.size]));
}

/** @returns what folding costs; null where nothing is folded */
async function writePictures(
  path: string,
  source: PictureModel,
  out: string,
  options: ConvertNetworkOptions,
): Promise<FoldCost | null> {
  const { network, description } = source;
  const { layer, convolution = 'dyconv', kernels: numKernels = 4, noise = 0 } = options;
  const isStatic = description.model.layer === 'static';
  if (isStatic && layer === 'static') {
    savePictureModel(join(out, 'model.json'), network, description);
    return null;
  }
  if (layer === 'static') {
    const { recipe, split } = dataOf(path, options);
    const cost = await foldNetwork(recipe, source, { ...options, split });
    savePictureModel(join(out, 'model.json'), network, description);
    return cost;
  }
  const copies = isStatic ? { convolution, numKernels } : {};
  const model = parseSection(
    modelSchema,
    { ...description.model, ...copies, layer, noise, bankInitialisation: 'copies' },
    optionNames,
  );
  explained(path, () => convertModel(network, model, options));
  using data = !isStatic && measuresMean(network) ? await batchesOf(dataOf(path, options), source) : null;
  if (data) meanIntoStatic(network, data.batchLosses);
  const { inChannels, size } = description;
  // Copies have routers that decide alike for every input.
  const passes = data?.batchLosses ?? [() => network.forward(randn([1, inChannels, ...size]))];
  await partitionByMagnitude(network, out, options, passes);
  savePictureModel(join(out, 'model.json'), network, { ...description, model });
  return null;
}

interface FoldData {
  readonly recipe: PictureRecipe;
  readonly split?: DataSplit | undefined;
}

/** Data to measure on what routers decide on average. */
function dataOf(path: string, { recipe: file }: ConvertNetworkOptions): FoldData {
  if (file === undefined && !isThere(new RunFolder(path).recipe)) {
    throw new InputError(
      `${path} has no data of its own, on which to measure what its routers decide on average; give a recipe whose data are like ` +
        'those it was trained on with --recipe <file>',
    );
  }
  const { recipe, split } = file === undefined ? readRun(path) : { recipe: readDataRecipe(file, []) };
  if (recipe.modality !== 'image') throw new UsageError(`${path} has a network for pictures, the recipe is for texts`);
  return { recipe, split };
}

async function batchesOf({ recipe, split }: FoldData, source: PictureModel): Promise<PartitionLosses> {
  const task = await savedTask(recipe, source, { split });
  return await task.partitionLosses({ batches: DEFAULT_PARTITION_BATCHES, seed: recipe.training.seed, epoch: 0 });
}

async function writeTexts(
  path: string,
  { network, description, tokenizer }: TextSource,
  out: string,
  options: ConvertNetworkOptions,
): Promise<void> {
  const { layer, experts: numExperts = 8, k = 2, position = 'both', layers, noise = 0 } = options;
  const copies = description.model.layer === 'static' ? { numExperts, k, position, layers } : {};
  const model = parseSection(textModelSchema, { ...description.model, ...copies, layer, noise }, optionNames);
  explained(path, () => convertTextModel(network, model));
  await partitionByMagnitude(network, out, options, []);
  const table = tableOptions(path, description);
  saveTextModel(join(out, 'model.json'), network, { ...description, model, table }, tokenizer);
}

/** An option, or what the network is, is in the way. */
function explained(path: string, convert: () => unknown): void {
  try {
    convert();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(`${path}: ${error.message}`, { cause: error });
  }
}

/** What keys of `model.json` are called on the command line. */
const optionNames = {
  numKernels: '--kernels',
  numExperts: '--experts',
  k: '--k',
  layers: '--layers',
  noise: '--noise',
} as const;

/**
 * Without data: the largest entries stay dynamic; of copies any mask gives the same output. The masks are written beside the network.
 *
 * @param passes each runs the network, where it is needed what its routers decide on average
 */
async function partitionByMagnitude(
  network: nn.Module,
  out: string,
  { layer, ratio = 1 }: ConvertNetworkOptions,
  passes: Iterable<() => unknown>,
): Promise<void> {
  if (layer !== 'pad' || ratio === 1) return;
  const { magnitude: saliency } = saliencies;
  const partition = await iterativeModePartition(network, { ratio, rounds: 1, saliency, batchLosses: [] });
  applyPartition(network, partition, passes);
  writeFileAtomic(new RunFolder(out).partition, encodePartition(partition));
}

function writeHuggingFace(path: string, { network, description, tokenizer }: TextSource, out: string): void {
  savePretrainedText(
    out,
    network,
    { ...description, table: tableOptions(path, description) },
    copyTokenizer(tokenizer, out),
  );
}
