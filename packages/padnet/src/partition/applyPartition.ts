/** Masks for good: what a network is after its partition (method.md §2). */
import { scope, type nn } from '@padnet/torch';
import type { Mask, SearchSource } from '../partial/index.js';
import { InputError } from '../errors.js';
import {
  DecomposedConv2d,
  evenAttention,
  assertWholeExperts,
  isDynamicConvolution,
  isDynamicLayer,
  markPartitioned,
  meanAttentions,
  partitionedShape,
  replaceByStatic,
  staticLayer,
  type DynamicLayer,
  type MeanAttention,
} from '../layers/index.js';
import type { MeanOptions } from './meanIntoStatic.js';
import { partialLayers, searchLayers, type Partition } from './partition.js';

/**
 * Gives the partial layers of a network their masks for good. From here on each holds the numbers in use (see
 * `PartialSource`); one without a dynamic entry becomes the static layer that it is (`nn.Conv2d`, `nn.Linear` …),
 * without router, λ_s in its weight. Where its bias or attentions depend on the input still, they become their means: κ
 * counts weights, and at κ = 0 a network is static. The searched tensors are freed, so that **an optimizer made before
 * has to be made anew**, and all else that keeps parameters.
 *
 * @param passes each runs the network forward once, on data such as it was trained on; used where `needsMeans`
 * @param means by use: measured of every such layer
 * @throws as `assertPartitionFits`; RangeError where means are needed and no pass gives them. Then nothing was changed
 */
export function applyPartition(
  network: nn.Module,
  partition: Pick<Partition, 'masks'>,
  passes: Iterable<() => unknown> = [],
  { byUse = false }: MeanOptions = {},
): void {
  assertWholeExperts(network, 'the partition');
  assertPartitionFits(network, partition);
  const layers = searchedLayers(network, partition);
  scope(() => {
    const means = meansOf(network, layers, passes, byUse);
    const made = new Map<nn.Module, nn.Module>(); // a layer that is reached by two paths is one layer
    for (const { path, source, layer, mask } of layers) {
      if (layer && mask.count === 0) {
        const known = made.get(layer);
        if (known) {
          network.replaceModule(path, known);
          continue;
        }
        source.mask = mask;
        const placed = replaceByStatic(network, path, layer, staticLayer(layer, means.get(layer)!));
        markPartitioned(placed, mask.shape);
        made.set(layer, placed);
        for (const tensor of layer.stateDict().values()) tensor[Symbol.dispose]();
      } else {
        const partial = made.get(source) ?? source.toPartial(mask);
        made.set(source, partial);
        network.replaceModule(path === '' ? 'source' : `${path}.source`, partial);
      }
      source[Symbol.dispose](); // a bank of K weights, which nothing should train any more
    }
  });
}

/**
 * Whether these masks make a layer static of which more depends on the input than coefficients that sum to 1:
 * attentions beside them, or a bias mixed by others, or by use any bias. Their means have to be measured.
 */
export function needsMeans(
  network: nn.Module,
  partition: Pick<Partition, 'masks'>,
  { byUse = false }: MeanOptions = {},
): boolean {
  return becomingStatic(searchedLayers(network, partition)).some(({ layer }) => isMeasured(layer, byUse));
}

interface SearchedLayer<Layer = DynamicLayer | null> {
  readonly path: string;
  readonly source: SearchSource;
  /** Null where it is the network itself, or the source is of a module of one's own: these cannot be replaced. */
  readonly layer: Layer;
  readonly mask: Mask;
}

function searchedLayers(network: nn.Module, { masks }: Pick<Partition, 'masks'>): SearchedLayer[] {
  return Array.from(searchLayers(network), ([path, source]) => {
    const module = path === '' ? null : network.getModule(path);
    return { path, source, layer: module && isDynamicLayer(module) ? module : null, mask: masks.get(path)! };
  });
}

function becomingStatic(layers: readonly SearchedLayer[]): SearchedLayer<DynamicLayer>[] {
  return layers.filter((each): each is SearchedLayer<DynamicLayer> => each.layer !== null && each.mask.count === 0);
}

function isMeasured(layer: DynamicLayer, byUse: boolean): boolean {
  const hasBias = !(layer instanceof DecomposedConv2d) && layer.biasBank !== null;
  if (!isDynamicConvolution(layer)) return byUse && hasBias;
  return layer.router.attend !== undefined || (hasBias && (byUse || !layer.router.sumsToOne));
}

/**
 * The mean attentions of the layers that become static. Where coefficients alone decide and sum to 1, they are taken
 * for equal, as `SearchSource.meanIntoStatic` has it.
 */
function meansOf(
  network: nn.Module,
  layers: readonly SearchedLayer[],
  passes: Iterable<() => unknown>,
  byUse: boolean,
): ReadonlyMap<DynamicLayer, MeanAttention> {
  const becoming = becomingStatic(layers);
  const wanted = becoming.map(({ layer }) => layer).filter((layer) => isMeasured(layer, byUse));
  const measured = wanted.length === 0 ? null : meanAttentions(network, wanted, passes);
  return new Map(
    becoming.map(({ path, layer }) => {
      const mean = isMeasured(layer, byUse) ? measured?.get(layer) : evenAttention(layer);
      if (!mean)
        throw new RangeError(
          `${path} becomes static with what its router decides on average; give passes that run it on data`,
        );
      return [layer, mean];
    }),
  );
}

/** @throws InputError naming the layers where partition and network differ, or that have another mask for good */
export function assertPartitionFits(network: nn.Module, { masks }: Pick<Partition, 'masks'>): void {
  const layers = partialLayers(network);
  const shapes = staticLayers(network);
  const problems: string[] = [];
  for (const [path, mask] of masks) {
    const source = layers.get(path);
    const shape = source?.shape ?? shapes.get(path);
    if (!shape) problems.push(`the network has no partial layer ${path}`);
    else if (shape.join() !== mask.shape.join()) {
      problems.push(`mask shape [${mask.shape.join(', ')}] does not match bank entry [${shape.join(', ')}] of ${path}`);
    } else if (source?.kind === 'partial' ? !source.mask.equals(mask) : !source && mask.count > 0) {
      problems.push(`${path} has another mask, and its bank no longer has the entries that became static`);
    }
  }
  for (const path of [...layers.keys(), ...shapes.keys()])
    if (!masks.has(path)) problems.push(`the partition has no mask for ${path}`);
  if (problems.length > 0) {
    const more = problems.length > 3 ? ` (and ${problems.length - 3} more)` : '';
    throw new InputError(`this partition is for another network: ${problems.slice(0, 3).join('; ')}${more}`);
  }
}

/** Layers that a partition has made static, and the shapes of their masks. */
function staticLayers(network: nn.Module): Map<string, readonly number[]> {
  const found = new Map<string, readonly number[]>();
  for (const [path, module] of network.namedModules()) {
    const shape = partitionedShape(module);
    if (shape) found.set(path, shape);
  }
  return found;
}
