/** The numbers that a network really stores, and the multiplications that it executes (method.md §2). */
import { nn, noGrad, scope, zeros } from '@padnet/torch';
import { isMasked, numEntries } from '../partial/index.js';
import { isDynamicLayer } from './dynamicLayer.js';
import { partitionedShape } from './staticLayer.js';

export interface StoredNumbers {
  /** Trained numbers, of partial layers those in use; PyTorch's parameter count for a static network. */
  readonly parameters: number;
  /** Bits of the masks. */
  readonly maskBits: number;
  /** Entries of the weights of all dynamic and partial layers, those included that a partition has made static: n. */
  readonly entries: number;
  /** Those of them that depend on the input. */
  readonly dynamicEntries: number;
}

/** The numbers that a network stores as it stands: layers that are still searched for their masks are fully dynamic. */
export function countStored(network: nn.Module): StoredNumbers {
  const parameters = network.parameters().reduce((sum, { numel }) => sum + numel, 0);
  let maskBits = 0;
  let entries = 0;
  let dynamicEntries = 0;
  for (const [, module] of network.namedModules()) {
    const shape = partitionedShape(module);
    if (shape) entries += numEntries(shape);
    if (!isDynamicLayer(module)) continue;
    const { source } = module;
    const size = numEntries(source.shape);
    entries += size;
    if (isMasked(source)) {
      maskBits += size;
      dynamicEntries += source.mask.count;
    } else if (source.kind === 'dynamic') dynamicEntries += size;
  }
  return { parameters, maskBits, entries, dynamicEntries };
}

/** One module's share of a forward pass. */
export interface LayerCost {
  readonly path: string;
  readonly inputShape: readonly number[];
  readonly outputShape: readonly number[];
  /** Multiply-accumulates, all of the batch together. */
  readonly macs: number;
}

/**
 * Lists what every layer with weights executes in one forward pass in evaluation mode, in order; a layer that runs
 * twice comes twice. Convolutions, linear layers and routers count; normalisation, activation, pooling and the products
 * of attention, which have no weights, do not; nor, so far, recurrent layers and the projections of
 * `nn.MultiheadAttention`.
 *
 * @param pass the shape of an input of zeros, or a function that runs the pass, for networks whose input is more than a
 *   tensor
 */
export function countMacs(network: nn.Layer, pass: readonly number[]): LayerCost[];
export function countMacs(network: nn.Module, pass: () => unknown): LayerCost[];
export function countMacs(network: nn.Module | nn.Layer, pass: readonly number[] | (() => unknown)): LayerCost[] {
  const forward = typeof pass === 'function' ? pass : (): unknown => (network as nn.Layer).forward(zeros(pass));
  const costs: LayerCost[] = [];
  using _mode = nn.evaluationMode(network);
  scope(() =>
    noGrad(() =>
      nn.watchForward(
        network,
        (path, module, input, output) => {
          const macs = moduleMacs(module, input.shape, output.shape);
          if (macs !== null) costs.push({ path, inputShape: input.shape, outputShape: output.shape, macs });
        },
        forward,
      ),
    ),
  );
  // A router's linear layers are counted with its layer.
  const dynamicPaths = costs
    .filter(({ path }) => isDynamicLayer(network.getModule(path)))
    .map(({ path }) => `${path}.`);
  return costs.filter(({ path }) => !dynamicPaths.some((parent) => path.startsWith(parent)));
}

function moduleMacs(module: nn.Module, inputShape: readonly number[], outputShape: readonly number[]): number | null {
  if (isDynamicLayer(module)) return module.countMacs(inputShape);
  if (module instanceof nn.Conv) {
    const [, groupChannels = 0, ...kernel] = module.weight.shape;
    return numEntries(outputShape) * groupChannels * numEntries(kernel);
  }
  if (module instanceof nn.ConvTranspose) {
    const [, groupChannels = 0, ...kernel] = module.weight.shape;
    return numEntries(inputShape) * groupChannels * numEntries(kernel);
  }
  return module instanceof nn.Linear ? numEntries(outputShape) * module.weight.shape[1]! : null;
}
