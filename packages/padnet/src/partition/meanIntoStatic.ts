/**
 * Makes the switch to a mask continuous: the mean kernel of every searched layer becomes its static weight (method.md
 * §3).
 */
import { scope, type nn, type Tensor } from '@padnet/torch';
import {
  assertWholeExperts,
  isDynamicConvolution,
  meanAttentions,
  meanKernel,
  type DynamicConvolutionLayer,
} from '../layers/index.js';
import { SearchSource } from '../partial/index.js';
import { searchLayers } from './partition.js';

/** Whether the bank's plain mean is not the mean kernel: Σ_k α_k is not 1, or positions are weighed. */
function isMeasured(module: nn.Module): module is SearchedLayer {
  return (
    isDynamicConvolution(module) &&
    module.source.kind === 'searched' &&
    (!module.router.sumsToOne || module.router.hasSpatialAttention === true)
  );
}

type SearchedLayer = DynamicConvolutionLayer & { readonly source: SearchSource };

function measuredLayers(network: nn.Module): SearchedLayer[] {
  return Array.from(network.namedModules(), ([, module]) => module).filter(isMeasured);
}

/** Whether `meanIntoStatic` needs the batches. */
export function measuresMean(network: nn.Module): boolean {
  return measuredLayers(network).length > 0;
}

/**
 * `SearchSource.meanIntoStatic` of every layer that is searched.
 *
 * @param batchLosses each runs the network on one batch; where coefficients sum to 1 they are not used
 */
export function meanIntoStatic(network: nn.Module, batchLosses: readonly (() => Tensor)[]): void {
  assertWholeExperts(network, 'the partition');
  scope(() => {
    const layers = measuredLayers(network);
    const means =
      layers.length > 0 ? meanAttentions(network, layers, batchLosses) : new Map<DynamicConvolutionLayer, never>();
    const kernels = new Map<SearchSource, Tensor>();
    for (const layer of layers) {
      const mean = means.get(layer);
      if (mean) kernels.set(layer.source, meanKernel(layer, layer.source.bank.detach(), mean));
    }
    for (const source of searchLayers(network).values()) source.meanIntoStatic(kernels.get(source));
  });
}
