/**
 * y = γ (x − E[x]) / √(Var[x] + eps) + β per channel, as `torch.nn.BatchNorm2d`: [batch, numFeatures, height, width] → the
 * same shape. While training, mean and (biased) variance are the batch's, and the running ones follow:
 * running ← (1 − momentum) running + momentum · batch, with the unbiased variance. In evaluation the running ones are used.
 * (Ioffe and Szegedy 2015.)
 */
import { noGrad } from '../autograd.js';
import { ones, zeros } from '../creation.js';
import { batchNorm } from '../ops.generated.js';
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
}

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

  /** @throws RangeError naming the option that is out of range */
  constructor(options: BatchNorm2dOptions) {
    super();
    const { numFeatures, eps = 1e-5, momentum = 0.1, affine = true, trackRunningStats = true } = options;
    checkWhole('numFeatures', numFeatures, 1);
    this.eps = checkNonNegative('eps', eps);
    this.momentum = momentum === null ? null : checkRange('momentum', momentum, 0, 1);
    this.weight = affine ? new Parameter(ones([numFeatures])) : null;
    this.bias = affine ? new Parameter(zeros([numFeatures])) : null;
    this.runningMean = trackRunningStats ? new Buffer(zeros([numFeatures])) : null;
    this.runningVar = trackRunningStats ? new Buffer(ones([numFeatures])) : null;
    this.numBatchesTracked = trackRunningStats ? new Buffer(zeros([], { dtype: 'int64' })) : null;
  }

  /** @throws TypeError unless `input` has four dimensions */
  forward(input: Tensor): Tensor {
    if (input.dim !== 4) {
      throw new TypeError(`BatchNorm2d expects [batch, channels, height, width], got [${input.shape.join(', ')}]`);
    }
    const { weight, bias, runningMean, runningVar, eps } = this;
    const useBatch = this.training || runningMean === null;
    const momentum = this.training ? this.countBatch() : (this.momentum ?? 0);
    return batchNorm(input, weight, bias, runningMean, runningVar, useBatch, momentum, eps, true);
  }

  /** Counts one more batch. @returns its weight in the running statistics */
  private countBatch(): number {
    const counter = this.numBatchesTracked;
    if (counter !== null) noGrad(() => counter.add_(1));
    return this.momentum ?? (counter === null ? 0 : 1 / counter.item());
  }
}
