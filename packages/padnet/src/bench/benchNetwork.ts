/** The networks that are measured: fresh weights, random masks. */
import { nn, noGrad, ops, optim, scope, zeros, type Tensor } from '@padnet/torch';
import { loadMachineRates } from '../compute/index.js';
import { countMacs, DynamicConv2d } from '../layers/index.js';
import { createModel, modelSchema, type LayerKind, type ModelOptions } from '../models/index.js';
import { Mask } from '../partial/index.js';
import { applyPartition, partialLayers } from '../partition/index.js';

/** What a network is measured with, whatever its layers are. */
export interface NetworkShape {
  readonly model: ModelOptions['name'];
  readonly stem: ModelOptions['stem'];
  /** Channels of the first stage (ResNet) or the multiplier (MobileNetV2); null for the published number. */
  readonly width: number | null;
  readonly inChannels: number;
  readonly numClasses: number;
  /** Pixels of a side of the pictures. */
  readonly size: number;
  readonly batch: number;
}

/**
 * `pad` has masks by entry, `pad-filter` by filter; what is `-composed` computes its layers by the faster plain composition of
 * libtorch's operators.
 */
export type BenchLayer = LayerKind | 'pad-filter' | 'dyconv-composed' | 'pad-composed';

export function inputShape({ batch, inChannels, size }: NetworkShape): number[] {
  return [batch, inChannels, size, size];
}

/** Without masks: partial layers are searched. */
export function createUnmasked(shape: NetworkShape, layer: LayerKind): nn.Layer {
  loadMachineRates();
  const { model, stem, width, inChannels, numClasses } = shape;
  const options = modelSchema.parse({ name: model, layer, stem, ...(width !== null && { width }) });
  return createModel(options, { inChannels, numClasses });
}

/** @param ratio κ of the masks */
export function createBenchNetwork(shape: NetworkShape, layer: BenchLayer, ratio: number): nn.Layer {
  const kind = layer === 'pad-filter' || layer === 'pad-composed' ? 'pad' : layer;
  const network = createUnmasked(shape, kind === 'dyconv-composed' ? 'dyconv' : kind);
  const masks = Array.from(partialLayers(network), ([path, source]): [string, Mask] => [
    path,
    randomMask(source.shape, ratio, layer === 'pad-filter' ? 'filter' : 'entry'),
  ]);
  applyPartition(network, { masks: new Map(masks) });
  if (layer === 'dyconv-composed' || layer === 'pad-composed') composeLayers(network, inputShape(shape));
  return network;
}

/** @param shape [outChannels, inChannels / groups, kernelHeight, kernelWidth] */
export function randomMask(shape: readonly number[], ratio: number, granularity: 'entry' | 'filter'): Mask {
  const units = granularity === 'filter' ? [shape[0]!, 1, 1, 1] : shape;
  return scope(() => Mask.fromTensor(ops.rand(units).lt(ratio).expand(shape)));
}

/** Gives every dynamic layer the composition that runs where there are no kernels of our own. */
function composeLayers(network: nn.Layer, shape: readonly number[]): void {
  watchPass(network, shape, (module, input) => {
    if (module instanceof DynamicConv2d)
      module.plan = module.planFor({ shape: input, device: 'cuda', dtype: 'float32' });
  });
}

/** Forward, cross-entropy, backward, SGD with momentum: of the same batch whenever it is called, in a scope of the caller. */
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

/** Multiply-accumulates of a forward pass of the static network, which no other kind can do without. */
export function staticMacs(shape: NetworkShape): number {
  return scope(() => {
    const [, ...picture] = inputShape(shape);
    const costs = countMacs(createUnmasked(shape, 'static'), [1, ...picture]);
    return shape.batch * costs.reduce((sum, { macs }) => sum + macs, 0);
  });
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
  let first = true;
  scope(() => {
    const [, ...picture] = inputShape(shape);
    watchPass(createUnmasked(shape, 'static'), [1, ...picture], (module, input) => {
      if (!(module instanceof nn.Conv2d)) return;
      if (!first) {
        const { geometry } = module;
        const size = input[2]!;
        const key = JSON.stringify([geometry, size]);
        found.set(key, { geometry, size, count: (found.get(key)?.count ?? 0) + 1 });
      }
      first = false;
    });
  });
  return [...found.values()];
}

function watchPass(
  network: nn.Layer,
  shape: readonly number[],
  observe: (module: nn.Module, inputShape: readonly number[]) => void,
): void {
  network.eval();
  scope(() =>
    noGrad(() =>
      nn.watchForward(
        network,
        (_, module, input) => {
          observe(module, input.shape);
        },
        () => network.forward(zeros(shape)),
      ),
    ),
  );
}
