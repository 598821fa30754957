/**
 * y = γ (x − E[x]) / √(Var[x] + eps) + β per channel, as `torch.nn.BatchNorm2d`: [batch, numFeatures, height, width] → the
 * same shape; and activation(y + residual) in the same passes over memory, where they are asked for. While training, mean and (biased) variance are the batch's, and the running ones follow:
 * running ← (1 − momentum) running + momentum · batch, with the unbiased variance. In evaluation the running ones are used.
 * (Ioffe and Szegedy 2015.)
 */
import { noGrad } from '../autograd.js';
import { ones, zeros } from '../creation.js';
import { batchNormActivation, type Activation } from '../nativeOperators.js';
import { batchNorm, hardtanh, relu } from '../ops.generated.js';
import type { Tensor } from '../tensor.js';
import { checkNonNegative, checkRange, checkWhole } from './checks.js';
import { Module } from './module.js';
import { Buffer, Parameter } from './parameter.js';

export interface BatchNorm2dOptions {
  /** Channels. */
  readonly numFeatures: number;
  /** @default 1e-5 */
  readonly eps?: number;
  /** The weight of the newest batch in the running statistics; null for the plain average of all. @default 0.1 */
  readonly momentum?: number | null;
  /** Whether γ (`weight`) and β (`bias`) are trained. @default true */
  readonly affine?: boolean;
  /** Without, evaluation uses the batch's statistics too. @default true */
  readonly trackRunningStats?: boolean;
  /** What is applied to the result. @default 'none' */
  readonly activation?: Activation;
}

export type { Activation };

export class BatchNorm2d extends Module {
  /** γ: [numFeatures], from 1 */
  readonly weight: Parameter | null;
  /** β: [numFeatures], from 0 */
  readonly bias: Parameter | null;
  /** [numFeatures], from 0 */
  readonly runningMean: Buffer | null;
  /** [numFeatures], from 1 */
  readonly runningVar: Buffer | null;
  /** int64 [] */
  readonly numBatchesTracked: Buffer | null;
  readonly eps: number;
  readonly momentum: number | null;
  readonly activation: Activation;

  /** @throws RangeError naming the option that is out of range */
  constructor(options: BatchNorm2dOptions) {
    super();
    const { numFeatures, eps = 1e-5, momentum = 0.1, affine = true, trackRunningStats = true } = options;
    const { activation = 'none' } = options;
    checkWhole('numFeatures', numFeatures, 1);
    this.eps = checkNonNegative('eps', eps);
    this.momentum = momentum === null ? null : checkRange('momentum', momentum, 0, 1);
    this.activation = activation;
    this.weight = affine ? new Parameter(ones([numFeatures])) : null;
    this.bias = affine ? new Parameter(zeros([numFeatures])) : null;
    this.runningMean = trackRunningStats ? new Buffer(zeros([numFeatures])) : null;
    this.runningVar = trackRunningStats ? new Buffer(ones([numFeatures])) : null;
    this.numBatchesTracked = trackRunningStats ? new Buffer(zeros([], { dtype: 'int64' })) : null;
  }

  /**
   * activation(batch norm of `input` + `residual`), both of one shape. On the CPU bfloat16, as autocast gives it, is computed
   * in the dtype of the layer.
   *
   * @throws TypeError unless `input` has four dimensions
   */
  forward(given: Tensor, addend: Tensor | null = null): Tensor {
    if (given.dim !== 4) {
      throw new TypeError(`BatchNorm2d expects [batch, channels, height, width], got [${given.shape.join(', ')}]`);
    }
    const [input, residual] = [this.widened(given), addend && this.widened(addend)];
    const { weight, bias, runningMean, runningVar, eps, activation } = this;
    const useBatch = this.training || runningMean === null;
    const momentum = this.training ? this.countBatch() : (this.momentum ?? 0);
    if (weight === null || bias === null || !isFused(input, weight)) {
      const normalised = batchNorm(input, weight, bias, runningMean, runningVar, useBatch, momentum, eps, true);
      return activate(residual === null ? normalised : normalised.add(residual), activation);
    }
    return batchNormActivation(
      input,
      weight,
      bias,
      residual,
      runningMean,
      runningVar,
      useBatch,
      momentum,
      eps,
      activation,
    );
  }

  private widened(tensor: Tensor): Tensor {
    const { weight } = this;
    return tensor.dtype === 'bfloat16' && tensor.device === 'cpu' && weight ? tensor.to(weight.dtype) : tensor;
  }

  /** Counts one more batch. @returns its weight in the running statistics */
  private countBatch(): number {
    const counter = this.numBatchesTracked;
    if (counter !== null) noGrad(() => counter.add_(1));
    return this.momentum ?? (counter === null ? 0 : 1 / counter.item());
  }
}

/** Whether `native/operators/batchNorm.cc` takes them. */
function isFused({ dtype, device }: Tensor, weight: Tensor): boolean {
  return device === 'cpu' && (dtype === 'float32' || dtype === 'float64') && weight.dtype === dtype;
}

function activate(input: Tensor, activation: Activation): Tensor {
  switch (activation) {
    case 'none':
      return input;
    case 'relu':
      return relu(input);
    case 'relu6':
      return hardtanh(input, { minVal: 0, maxVal: 6 });
  }
}
