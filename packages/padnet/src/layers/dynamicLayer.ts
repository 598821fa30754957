/** The layers that have a parameter source: whether they are static, dynamic or partial is the source's affair. */
import type { nn } from '@padnet/torch';
import { DynamicConv2d } from './dynamicConv2d.js';
import { MoELinear } from './moeLinear.js';

export type DynamicLayer = DynamicConv2d | MoELinear;

export function isDynamicLayer(module: nn.Module): module is DynamicLayer {
  return module instanceof DynamicConv2d || module instanceof MoELinear;
}
