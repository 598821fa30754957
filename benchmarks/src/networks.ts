/** The networks that are measured: which on what, with fresh weights and random masks. */
import { nn, optim, scope, type Tensor } from '@padnet/torch';
import { randomFilterMask, randomMask } from '../../packages/padnet/dist/analysis/calibration.js';
import { checkWidth, oneOf, positiveNumber } from '../../packages/padnet/dist/cli/options.js';
import { countMacs, DynamicConv2d } from '../../packages/padnet/dist/layers/index.js';
import { createModel, modelNames, modelSchema, type LayerKind } from '../../packages/padnet/dist/models/index.js';
import { applyPartition, partialLayers } from '../../packages/padnet/dist/partition/index.js';
import { count, option, optional, type Values } from './command.js';

const stems = ['imagenet', 'small'] as const;
const width = 'channels of the first stage, of mobilenetV2 their multiplier (default: as published)';

/** @param batch the default */
export const networkOptions = (batch: number) => ({
  model: option('--model <name>', modelNames.join(', '), oneOf(modelNames), 'resnet18'),
  stem: option('--stem <name>', stems.join(' or '), oneOf(stems), 'imagenet'),
  width: optional('--width <number>', width, positiveNumber),
  size: count('--size', 'side of the pictures', 224),
  channels: count('--channels', 'channels of the pictures', 3),
  classes: count('--classes', 'classes', 1000),
  batch: count('--batch', 'pictures in a batch', batch),
});
type NetworkOptions = Values<ReturnType<typeof networkOptions>>;

/** The shape that a network is measured with, whatever its layers are. */
export interface NetworkShape extends Pick<NetworkOptions, 'model' | 'stem' | 'size' | 'batch'> {
  /** Channels of the first stage (ResNet) or the multiplier (MobileNetV2); null for the published number. */
  readonly width: number | null;
  readonly inChannels: number;
  readonly numClasses: number;
}

export function networkShape({ model, stem, width, size, channels, classes, batch }: NetworkOptions): NetworkShape {
  checkWidth(model, width);
  return { model, stem, width: width ?? null, inChannels: channels, numClasses: classes, size, batch };
}

export function inputShape({ batch, inChannels, size }: NetworkShape): number[] {
  return [batch, inChannels, size, size];
}

/**
 * `pad` has masks by entry, `pad-filter` by filter; what is `-composed` computes its layers by the faster plain
 * composition of libtorch's operators.
 */
export const networkLayers = ['static', 'dyconv', 'pad', 'pad-filter', 'dyconv-composed', 'pad-composed'] as const;
export type NetworkLayer = (typeof networkLayers)[number];

/** A network without masks: partial layers are searched. */
export function createUnmasked(shape: NetworkShape, layer: LayerKind): nn.Layer {
  const { model, stem, width, inChannels, numClasses } = shape;
  const options = modelSchema.parse({ name: model, layer, stem, ...(width !== null && { width }) });
  return createModel(options, { inChannels, numClasses });
}

function kindOf(layer: NetworkLayer): LayerKind {
  if (layer === 'static') return layer;
  return layer.startsWith('pad') ? 'partial' : 'dynamic';
}

/** @param ratio κ of the masks */
export function createNetwork(shape: NetworkShape, layer: NetworkLayer, ratio: number): nn.Layer {
  const network = createUnmasked(shape, kindOf(layer));
  const masks = Array.from(partialLayers(network), ([path, { shape }]) => {
    const mask = layer === 'pad-filter' ? randomFilterMask(shape, ratio) : randomMask(shape, ratio);
    return [path, mask] as const;
  });
  applyPartition(network, { masks: new Map(masks) });
  // What runs where there are no kernels of our own.
  if (layer.endsWith('-composed'))
    for (const { path, inputShape: input } of countMacs(network, inputShape(shape))) {
      const module = network.getModule(path);
      if (module instanceof DynamicConv2d)
        module.plan = module.planFor({ shape: input, device: 'cuda', dtype: 'float32' });
    }
  return network;
}

/**
 * Forward, cross-entropy, backward, SGD with momentum: of the same batch whenever it is called, in a scope of the
 * caller.
 */
export function trainingStep(network: nn.Layer, images: Tensor, labels: Tensor): () => void {
  const optimizer = new optim.SGD(network.namedParameters(), { learningRate: 0.01, momentum: 0.9, weightDecay: 1e-4 });
  const loss = new nn.CrossEntropyLoss();
  network.train();
  return () => {
    loss.forward(network.forward(images), labels).backward();
    optimizer.step();
    network.zeroGrad();
  };
}

/** The multiply-accumulates of the static network for one picture, by layer: no other kind can do without them. */
function staticCosts(shape: NetworkShape) {
  const network = createUnmasked(shape, 'static');
  const costs = countMacs(network, inputShape({ ...shape, batch: 1 }));
  return costs.map((cost) => ({ ...cost, module: network.getModule(cost.path) }));
}

/** Multiply-accumulates of a batch. */
export function staticMacs(shape: NetworkShape): number {
  return scope(() => shape.batch * staticCosts(shape).reduce((sum, { macs }) => sum + macs, 0));
}

export interface NetworkConvolution {
  readonly geometry: nn.Conv2dGeometry;
  /** Pixels of a side of its input. */
  readonly size: number;
  /** How many of the network's layers are like this. */
  readonly count: number;
}

/** Every distinct convolution of a network but the first, which stays static. */
export function networkConvolutions(shape: NetworkShape): NetworkConvolution[] {
  const found = new Map<string, NetworkConvolution>();
  for (const { module, inputShape } of scope(() => staticCosts(shape)).slice(1)) {
    if (!(module instanceof nn.Conv2d)) continue;
    const convolution = { geometry: module.geometry, size: inputShape[2]! };
    const key = JSON.stringify(convolution);
    found.set(key, { ...convolution, count: (found.get(key)?.count ?? 0) + 1 });
  }
  return [...found.values()];
}
