/**
 * Makes the switch to a mask continuous: the mean kernel of every searched layer becomes its static weight (method.md
 * §3). A mean by use is that of what the router gives on data; else coefficients that sum to 1 are taken for equal.
 */
import { scope, type nn, type Tensor } from '@padnet/torch';
import {
  assertWholeExperts,
  isDynamicConvolution,
  isSearched,
  meanAttentions,
  meanKernel,
  type DynamicLayer,
} from '../layers/index.js';
import { SearchSource } from '../partial/index.js';
import { searchLayers } from './partition.js';

export interface MeanOptions {
  /** @default false */
  readonly byUse?: boolean;
}

type SearchedLayer = DynamicLayer & { readonly source: SearchSource };

/** Whether the bank's plain mean is not the mean kernel: Σ_k α_k is not 1, or positions are weighed. */
function isMeasured(layer: SearchedLayer): boolean {
  return isDynamicConvolution(layer) && (!layer.router.sumsToOne || layer.router.hasSpatialAttention === true);
}

function measuredLayers(network: nn.Module, { byUse = false }: MeanOptions): SearchedLayer[] {
  return Array.from(network.namedModules(), ([, module]) => module)
    .filter(isSearched)
    .filter((layer) => byUse || isMeasured(layer));
}

/** Whether `meanIntoStatic` needs the batches. */
export function measuresMean(network: nn.Module, options: MeanOptions = {}): boolean {
  return measuredLayers(network, options).length > 0;
}

/**
 * `SearchSource.meanIntoStatic` of every layer that is searched.
 *
 * @param batchLosses each runs the network on one batch; not used where nothing is measured
 */
export function meanIntoStatic(
  network: nn.Module,
  batchLosses: readonly (() => Tensor)[],
  options: MeanOptions = {},
): void {
  assertWholeExperts(network, 'the partition');
  scope(() => {
    const layers = measuredLayers(network, options);
    const means = meanAttentions(network, layers, layers.length > 0 ? batchLosses : []);
    const kernels = new Map<SearchSource, Tensor>();
    for (const [layer, mean] of means) kernels.set(layer.source, meanKernel(layer, layer.source.bank.detach(), mean));
    for (const source of searchLayers(network).values()) source.meanIntoStatic(kernels.get(source));
  });
}
