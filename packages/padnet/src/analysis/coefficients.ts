/**
 * The decisions of a trained network's routers: the mean coefficients α by class, and those of single pictures in every
 * layer. Static networks have none.
 */
import { fromTypedArray, nn, noGrad, ops, scope, type Tensor } from '@padnet/torch';
import { allImages, prepareTransform, type ImageDataset, type ImageTransform } from '../data/index.js';
import { attend, type Attention } from '../dynamic/index.js';
import { DynamicConv } from '../layers/index.js';
import { firstMiddleLast } from './firstMiddleLast.js';

export interface LayerCoefficients {
  readonly path: string;
  /** Mean α by class: [classes][K], rows as in `classes`. */
  readonly means: ClassMeans;
  /** The means of what else a router of ODConv decides, those that the layer has. */
  readonly attentions: readonly LayerAttention[];
}

/** Rows as in `classes`. */
export type ClassMeans = readonly (readonly number[])[];

export const attentionNames = ['spatial', 'channel', 'filter'] as const;

export interface LayerAttention {
  readonly name: (typeof attentionNames)[number];
  /** By class: [classes][positions, input channels or filters]. */
  readonly means: ClassMeans;
}

export interface InputCoefficients {
  /** Class, and what the network takes it for. */
  readonly label: number;
  readonly predicted: number;
  /** Softmax of the predicted class. */
  readonly confidence: number;
  /** The picture, before normalisation; base64. Of neither 1 nor 3 channels: the first. */
  readonly png: string;
  readonly width: number;
  readonly height: number;
  /** α in every dynamic layer: [layers][K]. */
  readonly coefficients: readonly (readonly number[])[];
}

export interface RouterCoefficients {
  /** The names of all classes. */
  readonly classNames: readonly string[];
  /** Those that the means are of. */
  readonly classes: readonly number[];
  /** Pictures of each class that the means are of, at most. */
  readonly perClass: number;
  /** First, middle and last layer that depends on its input. */
  readonly layers: readonly LayerCoefficients[];
  /** All dynamic layers, those of `inputs`. */
  readonly paths: readonly string[];
  readonly inputs: readonly InputCoefficients[];
}

export interface CoefficientOptions {
  /** As the network was tested: normalisation, nothing random. */
  readonly transform?: ImageTransform;
  /** Pictures of each class. @default 32 */
  readonly perClass?: number;
  /** The first so many classes. @default 20 */
  readonly maxClasses?: number;
  /** Single pictures, of different classes. @default 6 */
  readonly numInputs?: number;
}

const batchSize = 64;

/**
 * Runs the network in evaluation mode on the first pictures of each class; null where no convolution mixes kernels.
 * DCD's coefficients, which have no bounds, are left out.
 */
export async function routerCoefficients(
  network: nn.Layer,
  dataset: ImageDataset,
  options: CoefficientOptions = {},
): Promise<RouterCoefficients | null> {
  const { transform = {}, perClass = 32, maxClasses = 20, numInputs = 6 } = options;
  if (!hasDynamicConvolution(network)) return null;
  const { classNames } = dataset;
  const samples = classNames.slice(0, maxClasses).map((_, label) => firstOfClass(dataset, label, perClass));
  const classes = [...samples.keys()].filter((label) => samples[label]!.length > 0);
  using _mode = nn.evaluationMode(network);
  const watch = async (indices: readonly number[]): Promise<WatchedRouters> =>
    watchRouters(network, await pictures(dataset, transform, indices), inputShape(dataset, indices));
  const singles = spread(
    samples.flatMap((indices) => indices.slice(0, 1)),
    numInputs,
  );
  const watched = await watch(singles);
  const paths = [...watched.attentions.keys()];
  const shown = chooseLayers(network, paths);
  const all = samples.flat();
  const labels = all.map((index) => dataset.labels[index]!);
  const batches: Pick<WatchedRouters, 'attentions'>[] = [];
  for (let start = 0; start < all.length; start += batchSize) {
    const { attentions } = await watch(all.slice(start, start + batchSize));
    batches.push({ attentions: new Map(shown.map((path) => [path, attentions.get(path)!])) });
  }
  /** Empty where the layer's router decides nothing of the kind. */
  const means = (path: string, kind: AttentionKind): number[][] => {
    const rows = batches.flatMap(({ attentions }) => attentions.get(path)![kind] ?? []);
    if (rows.length === 0) return [];
    return classes.map((label) => columnMeans(rows.filter((_, position) => labels[position] === label)));
  };
  const layers = shown.map((path): LayerCoefficients => {
    const others = attentionNames.map((name) => ({ name, means: means(path, name) }));
    return { path, means: means(path, 'coefficients'), attentions: others.filter((each) => each.means.length > 0) };
  });
  return {
    classNames,
    classes,
    perClass,
    layers,
    paths,
    inputs: await describeInputs(dataset, singles, paths, watched),
  };
}

function hasDynamicConvolution(network: nn.Module): boolean {
  return Array.from(network.namedModules()).some(([, module]) => module instanceof DynamicConv);
}

type AttentionKind = keyof Attention;

export function columnMeans(rows: Rows): number[] {
  return rows[0]!.map((_, column) => rows.reduce((sum, row) => sum + row[column]!, 0) / rows.length);
}

/** Whether the layer at `path` mixes kernels by its input. */
export function dependsOnInput(network: nn.Module, path: string): boolean {
  const layer = network.getModule(path);
  return layer instanceof DynamicConv && layer.source.dynamicRatio > 0;
}

/**
 * First, middle and last of all, or the nearest to them that depend on their input: runs of one network show the same
 * layers.
 */
function chooseLayers(network: nn.Module, paths: readonly string[]): string[] {
  const candidates = [...paths.keys()].filter((position) => dependsOnInput(network, paths[position]!));
  if (candidates.length === 0) return [];
  const distance = (target: number, position: number): number => Math.abs(position - target);
  const nearest = firstMiddleLast([...paths.keys()]).map((target) =>
    candidates.reduce((best, each) => (distance(target, each) < distance(target, best) ? each : best)),
  );
  return [...new Set(nearest)].map((position) => paths[position]!);
}

/** `count` values at even distances. */
export function spread(values: readonly number[], count: number): number[] {
  const chosen = Math.min(count, values.length);
  return Array.from({ length: chosen }, (_, i) => values[Math.floor((i * values.length) / chosen)]!);
}

function firstOfClass({ labels, length }: ImageDataset, label: number, count: number): number[] {
  const found: number[] = [];
  for (let index = 0; index < length && found.length < count; index++) if (labels[index] === label) found.push(index);
  return found;
}

/** [batch][values] */
type Rows = readonly (readonly number[])[];

export interface WatchedRouters {
  /** By layer path, in the order of the network. */
  readonly attentions: ReadonlyMap<string, Record<AttentionKind, Rows | null>>;
  /** [batch][classes] */
  readonly probabilities: readonly (readonly number[])[];
}

/** The decisions of the routers of dynamic convolutions for a batch, and the softmax of the network's output. */
export function watchRouters(network: nn.Layer, images: Float32Array, shape: readonly number[]): WatchedRouters {
  const attentions = new Map<string, Record<AttentionKind, Rows | null>>();
  const record = (path: string, module: nn.Module, input: Tensor): void => {
    if (!(module instanceof DynamicConv)) return;
    const attention = attend(module.router, input);
    const rows = (kind: AttentionKind): Rows | null => attention[kind] && toRows(attention[kind]);
    const kinds = { spatial: rows('spatial'), channel: rows('channel'), filter: rows('filter') };
    attentions.set(path, { coefficients: rows('coefficients'), ...kinds });
  };
  const probabilities = scope(() =>
    noGrad(() => {
      const input = fromTypedArray(images, shape);
      return toRows(
        ops.softmax(
          nn.watchForward(network, record, () => network.forward(input)),
          1,
        ),
      );
    }),
  );
  // A convolution that is fused with its batch norm comes behind a residual, which it needs.
  const paths = Array.from(network.namedModules(), ([path]) => path).filter((path) => attentions.has(path));
  return { attentions: new Map(paths.map((path) => [path, attentions.get(path)!])), probabilities };
}

export function inputShape({ channels, height, width }: ImageDataset, indices: readonly number[]): number[] {
  return [indices.length, channels, height, width];
}

/** [batch, channels, height, width] */
export function pictures(
  dataset: ImageDataset,
  transform: ImageTransform,
  indices: readonly number[],
): Promise<Float32Array> {
  return allImages(dataset, Uint32Array.from(indices), prepareTransform(transform, dataset), { seed: 0, epoch: 0 });
}

export function toRows(matrix: Tensor): number[][] {
  const [rows = 0, columns = 0] = matrix.shape;
  const values = matrix.toArray();
  return Array.from({ length: rows }, (_, row) => values.slice(row * columns, (row + 1) * columns));
}

async function describeInputs(
  dataset: ImageDataset,
  indices: readonly number[],
  paths: readonly string[],
  { attentions, probabilities }: WatchedRouters,
): Promise<InputCoefficients[]> {
  const { height, width } = dataset;
  const pixels = await pictures(dataset, {}, indices);
  const size = pixels.length / indices.length;
  return Promise.all(
    indices.map(async (index, position) => {
      const confidence = Math.max(...probabilities[position]!);
      return {
        label: dataset.labels[index]!,
        predicted: probabilities[position]!.indexOf(confidence),
        confidence,
        png: await encodePng(pixels.subarray(position * size, (position + 1) * size), dataset),
        width,
        height,
        coefficients: paths.map((path) => attentions.get(path)!.coefficients![position]!),
      };
    }),
  );
}

/** @param pixels [channels, height, width], from 0 to 1 @returns base64 */
async function encodePng(pixels: Float32Array, { channels, height, width }: ImageDataset): Promise<string> {
  const { default: sharp } = await import('sharp');
  const plane = height * width;
  const shown = channels === 3 ? 3 : 1;
  const bytes = Uint8Array.from({ length: shown * plane }, (_, at) =>
    Math.round(255 * pixels[(at % shown) * plane + Math.floor(at / shown)]!),
  );
  const picture = sharp(bytes, { raw: { width, height, channels: shown } });
  const file = await picture
    .toColourspace(shown === 1 ? 'b-w' : 'srgb')
    .png()
    .toBuffer();
  return file.toString('base64');
}
