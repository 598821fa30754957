/** The layers that have a parameter source: whether they are static, dynamic or partial is the source's affair. */
import type { nn } from '@padnet/torch';
import type { SearchSource } from '../partial/index.js';
import { DecomposedConv2d } from './decomposedConv2d.js';
import { DynamicConv } from './dynamicConv.js';
import { MoELinear } from './moeLinear.js';

/** Those of them that are convolutions. */
export type DynamicConvolutionLayer = DynamicConv | DecomposedConv2d;
export type DynamicLayer = DynamicConvolutionLayer | MoELinear;

export function isDynamicLayer(module: nn.Module): module is DynamicLayer {
  return isDynamicConvolution(module) || module instanceof MoELinear;
}

/** Whether which of its entries stay dynamic is still to be searched. */
export function isSearched(module: nn.Module): module is DynamicLayer & { readonly source: SearchSource } {
  return isDynamicLayer(module) && module.source.kind === 'searched';
}

export function isDynamicConvolution(module: nn.Module): module is DynamicConvolutionLayer {
  return module instanceof DynamicConv || module instanceof DecomposedConv2d;
}

/**
 * Lets every convolution of a network that mixes kernels round its coefficients in evaluation, see
 * `DynamicConv.coefficientThreshold`; 0 ends that. Those of DCD stay as they are.
 *
 * @returns how many there are
 * @throws RangeError where the threshold is not from 0 to 1
 */
export function setCoefficientThreshold(network: nn.Module, threshold: number): number {
  if (!(threshold >= 0 && threshold <= 1))
    throw new RangeError(`the threshold of coefficients must be a number from 0 to 1, got ${threshold}`);
  let count = 0;
  for (const [, module] of network.namedModules()) {
    if (!(module instanceof DynamicConv)) continue;
    module.coefficientThreshold = threshold;
    count += 1;
  }
  return count;
}
