/** What `padnet convert` needs to know of a modality, and what converters have in common. */
import type { nn, Tensor } from '@padnet/torch';
import type { MoEPosition } from '../convert/index.js';
import type { DynamicConvolution, LayerKind, ModelOptions } from '../models/index.js';
import type { CodeOptions } from '../ownCode/index.js';
import { applyPartition, encodePartition, iterativeModePartition, saliencies } from '../partition/index.js';
import { type PreparationEvent, RunFolder, type SavedModel } from '../runs/index.js';
import { type Evaluation, writeFileAtomic } from '../training/index.js';
import { UsageError } from './usageError.js';

export interface ConvertNetworkOptions extends CodeOptions {
  readonly layer: LayerKind;
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
  /** κ of partial layers, by magnitude. @default 1 */
  readonly ratio?: number;
  /** A recipe's file, on whose data it is measured what routers decide on average. @default that of the run */
  readonly recipe?: string;
  readonly out: string;
  readonly force: boolean;
  /** Told what is noteworthy of data and weights. */
  readonly onRemark?: (remark: PreparationEvent) => void;
  readonly signal?: AbortSignal;
}

/** A network that is converted, and where it lies. */
export type ConvertSource<Model extends SavedModel = SavedModel> = Pick<
  Model,
  'modality' | 'network' | 'description'
> & {
  /** Folder of its files, such as a tokenizer's. */
  readonly folder: string;
};

export interface MeasuredNetwork extends Pick<Evaluation, 'score' | 'loss'> {
  /** Median time of a forward pass of one picture, seconds. */
  readonly seconds: number;
}

export interface FoldCost {
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
  writesStatic(options: ConvertNetworkOptions): boolean;
  /** Why a dynamic or partial network cannot become static; null: it can. */
  staticObstacle(path: string, layer: LayerKind): string | null;
  /** Writes what was asked for to a folder. @returns what folding costs; null where nothing is folded */
  write(
    path: string,
    source: ConvertSource<Model>,
    folder: string,
    options: ConvertNetworkOptions,
  ): Promise<FoldCost | null>;
  /** Logits for random inputs, and what these are, such as `4 random texts of 32 tokens`. */
  probe(source: ConvertSource<Model>): { readonly inputs: string; readonly logits: () => Tensor };
}

/** An option, or what the network is, is in the way. */
export function explained(path: string, convert: () => unknown): void {
  try {
    convert();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(`${path}: ${error.message}`, { cause: error });
  }
}

/** What keys of `model.json` are called on the command line. */
export const optionNames = {
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
export async function partitionByMagnitude(
  network: nn.Module,
  out: string,
  { layer, ratio = 1 }: ConvertNetworkOptions,
  passes: Iterable<() => unknown>,
): Promise<void> {
  if (layer !== 'partial' || ratio === 1) return;
  const { magnitude: saliency } = saliencies;
  const partition = await iterativeModePartition(network, { ratio, rounds: 1, saliency, batchLosses: [] });
  applyPartition(network, partition, passes);
  writeFileAtomic(new RunFolder(out).partition, encodePartition(partition));
}
