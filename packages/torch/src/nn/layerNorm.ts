/**
 * y = γ (x − E[x]) / √(Var[x] + eps) + β over the last dimensions of each sample, as `torch.nn.LayerNorm`:
 * [..., ...normalizedShape] → the same shape. (Ba, Kiros and Hinton 2016.)
 */
import { ones, zeros } from '../creation.js';
import { layerNorm } from '../ops.generated.js';
import type { Tensor } from '../tensor.js';
import { checkNonNegative, checkWhole } from './checks.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';

export interface LayerNormOptions {
  /** The sizes of the last dimensions, over which mean and variance are taken; a number for the last alone. */
  readonly normalizedShape: number | readonly number[];
  /** @default 1e-5 */
  readonly eps?: number;
  /** Whether γ (`weight`) and β (`bias`) are trained. @default true */
  readonly elementwiseAffine?: boolean;
}

export class LayerNorm extends Module {
  readonly normalizedShape: readonly number[];
  readonly eps: number;
  /** γ: normalizedShape, from 1 */
  readonly weight: Parameter | null;
  /** β: normalizedShape, from 0 */
  readonly bias: Parameter | null;

  /** @throws RangeError where a size is no whole number of at least 1, or there is none */
  constructor({ normalizedShape, eps = 1e-5, elementwiseAffine = true }: LayerNormOptions) {
    super();
    const shape = typeof normalizedShape === 'number' ? [normalizedShape] : [...normalizedShape];
    if (shape.length === 0) throw new RangeError('normalizedShape must have at least one dimension, got []');
    for (const size of shape) checkWhole('normalizedShape', size, 1);
    this.normalizedShape = shape;
    this.eps = checkNonNegative('eps', eps);
    this.weight = elementwiseAffine ? new Parameter(ones(shape)) : null;
    this.bias = elementwiseAffine ? new Parameter(zeros(shape)) : null;
  }

  forward(input: Tensor): Tensor {
    const { normalizedShape, weight, bias, eps } = this;
    return layerNorm(input, normalizedShape, { weight, bias, eps });
  }
}
