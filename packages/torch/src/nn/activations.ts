/** Functions of each element (but for `Softmax`) as layers, under the names of `torch.nn`; the shape stays. */
import * as ops from '../ops.generated.js';
import { checkOptions } from '../options.js';
import type { Tensor } from '../tensor.js';
import { Module } from './module.js';

/** max(0, x) */
export class ReLU extends Module {
  forward(input: Tensor): Tensor {
    return ops.relu(input);
  }
}

/** min(max(0, x), 6) */
export class ReLU6 extends Module {
  forward(input: Tensor): Tensor {
    return ops.hardtanh(input, { minVal: 0, maxVal: 6 });
  }
}

export interface GELUOptions {
  /** 'tanh' for 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))). @default 'none' */
  readonly approximate?: 'none' | 'tanh';
}

/** x Φ(x), Φ the standard normal's distribution function (Hendrycks and Gimpel 2016). */
export class GELU extends Module {
  readonly approximate: 'none' | 'tanh';

  constructor(options: GELUOptions = {}) {
    super();
    checkOptions('GELU', options, ['approximate']);
    const { approximate = 'none' } = options;
    this.approximate = approximate;
  }

  forward(input: Tensor): Tensor {
    return ops.gelu(input, { approximate: this.approximate });
  }
}

/** x / (1 + e⁻ˣ) */
export class SiLU extends Module {
  forward(input: Tensor): Tensor {
    return ops.silu(input);
  }
}

/** 1 / (1 + e⁻ˣ) */
export class Sigmoid extends Module {
  forward(input: Tensor): Tensor {
    return ops.sigmoid(input);
  }
}

/** tanh x */
export class Tanh extends Module {
  forward(input: Tensor): Tensor {
    return ops.tanh(input);
  }
}

export interface SoftmaxOptions {
  /** The dimension that sums to 1; negative counts from the end. */
  readonly dim: number;
}

/** exp(xᵢ) / Σⱼ exp(xⱼ) along one dimension. */
export class Softmax extends Module {
  readonly dim: number;

  /** @throws RangeError where `dim` is no whole number */
  constructor({ dim }: SoftmaxOptions) {
    super();
    if (!Number.isInteger(dim)) throw new RangeError(`dim must be a whole number, got ${dim}`);
    this.dim = dim;
  }

  forward(input: Tensor): Tensor {
    return ops.softmax(input, this.dim);
  }
}
