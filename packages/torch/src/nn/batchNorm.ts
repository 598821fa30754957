/**
 * y = γ (x − E[x]) / √(Var[x] + eps) + β per channel, as `torch.nn.BatchNorm1d`, `BatchNorm2d` and `BatchNorm3d`:
 * [batch, numFeatures, …size] → the same shape; and activation(y + residual) in the same passes over memory, where they
 * are asked for. While training, mean and (biased) variance are the batch's, and the running ones follow: running ← (1
 * − momentum) running + momentum · batch, with the unbiased variance. In evaluation the running ones are used. (Ioffe
 * and Szegedy 2015.) Under a shared batch with `syncBatchNorm` the statistics of training are those of all ranks'
 * samples, else of this rank's.
 */
import { noGrad } from '../autograd.js';
import { ones, zeros } from '../creation.js';
import { momentsOverRanks } from '../distributed/momentsOverRanks.js';
import type { ProcessGroup } from '../distributed/processGroup.js';
import { sharedBatch } from '../distributed/sharedBatch.js';
import { batchNormActivation, type Activation } from '../nativeOperators.js';
import { batchNorm, hardtanh, onesLike, relu } from '../ops.generated.js';
import type { Tensor } from '../tensor.js';
import { checkNonNegative, checkRange, checkWhole } from './checks.js';
import { Module } from './module.js';
import { Buffer, Parameter } from './parameter.js';

export interface BatchNormOptions {
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
  /** The function applied to the result. @default 'none' */
  readonly activation?: Activation;
}

export type { Activation };

/** The base of batch norms: make a `BatchNorm1d`, `BatchNorm2d` or `BatchNorm3d`. */
export abstract class BatchNorm extends Module {
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
  /** The shapes that it takes, in words, by their number of dimensions. */
  protected abstract get shapes(): Readonly<Record<number, string>>;

  /** @throws RangeError naming the option that is out of range */
  constructor(options: BatchNormOptions) {
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
   * activation(batch norm of `input` + `residual`), both of one shape. On the CPU bfloat16, as autocast gives it, is
   * computed in the dtype of the layer.
   *
   * @throws TypeError unless `input` has the dimensions that the layer is for
   */
  forward(input: Tensor, residual: Tensor | null = null): Tensor {
    const { shape } = input;
    if (!(input.dim in this.shapes)) {
      const expected = Object.values(this.shapes).join(' or ');
      throw new TypeError(`${this.constructor.name} expects ${expected}, got [${shape.join(', ')}]`);
    }
    if (input.dim === 4) return this.normalised(input, residual);
    // Channels do not care how their elements lie.
    const plane = [...shape.slice(0, 2), 1, shape.slice(2).reduce((product, size) => product * size, 1)];
    return this.normalised(input.reshape(plane), residual?.reshape(plane) ?? null).reshape(shape);
  }

  private normalised(given: Tensor, addend: Tensor | null): Tensor {
    const [input, residual] = [this.widened(given), addend && this.widened(addend)];
    const { activation } = this;
    const shared = this.training ? sharedBatch() : null;
    const terms = shared?.syncBatchNorm ? this.termsOfAll(input, shared.group) : this.ownTerms();
    const { weight, bias, runningMean, runningVar, useBatch, momentum, eps } = terms;
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

  private ownTerms(): Terms {
    const { weight, bias, runningMean, runningVar, eps } = this;
    const useBatch = this.training || runningMean === null;
    const momentum = this.training ? this.countBatch() : (this.momentum ?? 0);
    return { weight, bias, runningMean, runningVar, useBatch, momentum, eps };
  }

  /** γ/√(Var[x] + eps) and β, with the gradient of the mean, around the mean of all ranks, without one. */
  private termsOfAll(input: Tensor, group: ProcessGroup): Terms {
    const { mean, variance, unbiasedVariance } = momentsOverRanks(group, input);
    const momentum = this.countBatch();
    noGrad(() => {
      this.runningMean?.mul_(1 - momentum).add_(mean, { alpha: momentum });
      this.runningVar?.mul_(1 - momentum).add_(unbiasedVariance, { alpha: momentum });
    });
    const inverse = variance.add(this.eps).rsqrt();
    const weight = this.weight ? inverse.mul(this.weight) : inverse;
    const center = mean.detach();
    const shift = center.sub(mean).mul(weight);
    const bias = this.bias ? shift.add(this.bias) : shift;
    return { weight, bias, runningMean: center, runningVar: onesLike(center), ...fixed };
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

/** Operands of a batch norm. */
interface Terms {
  readonly weight: Tensor | null;
  readonly bias: Tensor | null;
  readonly runningMean: Tensor | null;
  readonly runningVar: Tensor | null;
  readonly useBatch: boolean;
  readonly momentum: number;
  readonly eps: number;
}

/** (x − running mean) · weight + bias, where the running variance is 1. */
const fixed = { useBatch: false, momentum: 0, eps: 0 } as const;

export class BatchNorm1d extends BatchNorm {
  protected get shapes(): Readonly<Record<number, string>> {
    return { 2: '[batch, channels]', 3: '[batch, channels, length]' };
  }
}

export class BatchNorm2d extends BatchNorm {
  protected get shapes(): Readonly<Record<number, string>> {
    return { 4: '[batch, channels, height, width]' };
  }
}

export class BatchNorm3d extends BatchNorm {
  protected get shapes(): Readonly<Record<number, string>> {
    return { 5: '[batch, channels, depth, height, width]' };
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
