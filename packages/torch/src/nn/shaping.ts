/** Layers that leave the values as they are. */
import { flatten } from '../ops.generated.js';
import { checkOptions } from '../options.js';
import type { Tensor } from '../tensor.js';
import { Module } from './module.js';

/** Gives its input back: takes the place of a layer that is not wanted. */
export class Identity extends Module {
  forward(input: Tensor): Tensor {
    return input;
  }
}

export interface FlattenOptions {
  /** @default 1 */
  readonly startDim?: number;
  /** Inclusive. @default -1 */
  readonly endDim?: number;
}

/** Makes one dimension of those from startDim to endDim: [batch, channels, height, width] → [batch, the rest]. */
export class Flatten extends Module {
  readonly startDim: number;
  readonly endDim: number;

  /** @throws RangeError where a dimension is no whole number */
  constructor(options: FlattenOptions = {}) {
    super();
    checkOptions('Flatten', options, ['startDim', 'endDim']);
    const { startDim = 1, endDim = -1 } = options;
    for (const [name, dim] of Object.entries({ startDim, endDim })) {
      if (!Number.isInteger(dim)) throw new RangeError(`${name} must be a whole number, got ${dim}`);
    }
    this.startDim = startDim;
    this.endDim = endDim;
  }

  forward(input: Tensor): Tensor {
    return flatten(input, { startDim: this.startDim, endDim: this.endDim });
  }
}
