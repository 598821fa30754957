/** The layers that have a parameter source: whether they are static, dynamic or partial is the source's affair. */
import type { nn } from '@padnet/torch';
import { DynamicConv } from './dynamicConv.js';
import { MoELinear } from './moeLinear.js';

export type DynamicLayer = DynamicConv | MoELinear;

export function isDynamicLayer(module: nn.Module): module is DynamicLayer {
  return module instanceof DynamicConv || module instanceof MoELinear;
}

/**
 * Lets every dynamic convolution of a network round its coefficients in evaluation, see `DynamicConv.coefficientThreshold`; 0
 * ends that.
 *
 * @throws RangeError where the threshold is not from 0 to 1
 */
export function setCoefficientThreshold(network: nn.Module, threshold: number): void {
  if (!(threshold >= 0 && threshold <= 1))
    throw new RangeError(`the threshold of coefficients must be a number from 0 to 1, got ${threshold}`);
  for (const [, module] of network.namedModules())
    if (module instanceof DynamicConv) module.coefficientThreshold = threshold;
}
