/** Dynamic convolutions over one, two and three dimensions. */
import type { nn } from '@padnet/torch';
import { DynamicConv, type DynamicConvOptions } from './dynamicConv.js';

/** [batch, inChannels, length] → [batch, outChannels, length'] */
export class DynamicConv1d extends DynamicConv {
  declare readonly geometry: nn.Conv1dGeometry;

  /** @throws RangeError where the source's kernel does not fit the geometry */
  constructor(options: DynamicConvOptions<nn.Conv1dGeometry>) {
    super(options, '[batch, channels, length]');
  }
}

/** [batch, inChannels, height, width] → [batch, outChannels, height', width'] */
export class DynamicConv2d extends DynamicConv {
  declare readonly geometry: nn.Conv2dGeometry;

  /** @throws RangeError where the source's kernel does not fit the geometry */
  constructor(options: DynamicConvOptions<nn.Conv2dGeometry>) {
    super(options, '[batch, channels, height, width]');
  }
}

/** [batch, inChannels, depth, height, width] → [batch, outChannels, depth', height', width'] */
export class DynamicConv3d extends DynamicConv {
  declare readonly geometry: nn.Conv3dGeometry;

  /** @throws RangeError where the source's kernel does not fit the geometry */
  constructor(options: DynamicConvOptions<nn.Conv3dGeometry>) {
    super(options, '[batch, channels, depth, height, width]');
  }
}

/**
 * The layer for as many dimensions as the geometry has.
 *
 * @throws RangeError where the source's kernel does not fit the geometry
 */
export function dynamicConv(options: DynamicConvOptions): DynamicConv {
  const layers: readonly (new (options: never) => DynamicConv)[] = [DynamicConv1d, DynamicConv2d, DynamicConv3d];
  return new layers[options.geometry.kernelSize.length - 1]!(options as never);
}
