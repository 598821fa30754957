/** y = x Wᵀ + b, as `torch.nn.Linear`: [..., inFeatures] → [..., outFeatures]. */
import { empty } from '../creation.js';
import { linear } from '../ops.generated.js';
import type { Tensor } from '../tensor.js';
import { checkWhole } from './checks.js';
import { defaultUniform_ } from './init.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';

export interface LinearOptions {
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** @default true */
  readonly bias?: boolean;
}

/** Weights and bias start as U(±1/√inFeatures). */
export class Linear extends Module {
  /** [outFeatures, inFeatures] */
  readonly weight: Parameter;
  /** [outFeatures] */
  readonly bias: Parameter | null;

  /** @throws RangeError where a number of features is no whole number of at least 1 */
  constructor({ inFeatures, outFeatures, bias = true }: LinearOptions) {
    super();
    checkWhole('inFeatures', inFeatures, 1);
    checkWhole('outFeatures', outFeatures, 1);
    this.weight = new Parameter(defaultUniform_(empty([outFeatures, inFeatures]), inFeatures));
    this.bias = bias ? new Parameter(defaultUniform_(empty([outFeatures]), inFeatures)) : null;
  }

  forward(input: Tensor): Tensor {
    return linear(input, this.weight, { bias: this.bias });
  }
}
