/** A modality as `padnet convert` needs to know it, and the steps that all conversions share. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { nn, Tensor } from '@padnet/torch';
import { countNetwork, modelLayerName, type NetworkCounts, networkOfModel } from '../analysis/index.js';
import type { LayerKind } from '../models/index.js';
import { writeFileAtomic } from '../outputFile.js';
import { applyPartition, encodePartition, iterativeModePartition, saliencies } from '../partition/index.js';
import { RunFolder, type SavedModel } from '../runs/index.js';
import type { Evaluation } from '../training/index.js';
import type { ConvertOptions } from './convertOptions.js';
import { UsageError } from './usage.js';

/** A network that is converted, and where it lies. */
export type ConvertSource<Model extends SavedModel = SavedModel> = Pick<
  Model,
  'modality' | 'network' | 'description'
> & {
  /** Folder of its files, such as a tokenizer's. */
  readonly folder: string;
};

/** A network that was written to a folder. */
export interface WrittenNetwork {
  /** The kind of layers that it has, as reports call it. */
  readonly layerName: string;
  readonly after: NetworkCounts;
  readonly file: string;
  readonly fileBytes: number;
}

/** @param folder where its files are until they are moved to `out` */
export function writtenNetwork(
  source: Pick<SavedModel, 'modality' | 'network' | 'description'>,
  folder: string,
  out: string,
): WrittenNetwork {
  const name = 'model.safetensors';
  return {
    layerName: modelLayerName(source.description.model),
    after: countsOf(source),
    file: join(out, name),
    fileBytes: statSync(join(folder, name)).size,
  };
}

export function countsOf(source: Pick<SavedModel, 'modality' | 'network' | 'description'>): NetworkCounts {
  const { network, pass } = networkOfModel(source);
  return countNetwork(network, pass);
}

export interface MeasuredNetwork extends Pick<Evaluation, 'score' | 'loss'> {
  /** Median time of a forward pass of one picture, seconds. */
  readonly seconds: number;
}

export interface ToStaticCost {
  readonly before: MeasuredNetwork;
  readonly after: MeasuredNetwork;
}

/** The methods take networks of their own modality alone. */
export interface Converter<Model extends SavedModel = SavedModel> {
  /** Options that are not for these networks, and what they are for. */
  readonly refused: Readonly<Record<string, string>>;
  /** Whether it is measured on data what the routers of a dynamic network decide on average. */
  readonly measuresRouters: boolean;
  /** Whether a static network is written anew as one. */
  writesStatic(options: ConvertOptions): boolean;
  /** Why a dynamic or partial network cannot become static; null: it can. */
  staticObstacle(path: string, layer: LayerKind): string | null;
  /** Writes what was asked for to a folder. @returns what becoming static costs; null where nothing did */
  write(
    path: string,
    source: ConvertSource<Model>,
    folder: string,
    options: ConvertOptions,
  ): Promise<ToStaticCost | null>;
  /** Logits for random inputs, and what these are, such as `4 random texts of 32 tokens`. */
  probe(source: ConvertSource<Model>): { readonly inputs: string; readonly logits: () => Tensor };
}

/** Converts. @throws UsageError where an option, or the kind of the network, is in the way */
export function explained(path: string, convert: () => unknown): void {
  try {
    convert();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(`${path}: ${error.message}`, { cause: error });
  }
}

/** The options that give keys of `model.json`. */
export const optionNames = {
  numKernels: '--kernels',
  routerWidth: '--router-width',
  numExperts: '--experts',
  k: '--k',
  layers: '--layers',
  noise: '--noise',
} as const;

/**
 * A partition without data: the largest entries stay dynamic; of copies any mask gives the same output. The masks are
 * written beside the network.
 *
 * @param passes each runs the network, where it is needed what its routers decide on average
 */
export async function partitionByMagnitude(
  network: nn.Module,
  out: string,
  { layer, ratio = 1 }: ConvertOptions,
  passes: Iterable<() => unknown>,
): Promise<void> {
  if (layer !== 'partial' || ratio === 1) return;
  const { magnitude: saliency } = saliencies;
  const partition = await iterativeModePartition(network, { ratio, rounds: 1, saliency, batchLosses: [] });
  applyPartition(network, partition, passes);
  writeFileAtomic(new RunFolder(out).partition, encodePartition(partition));
}
