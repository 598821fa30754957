/** Losses, as in `torch.nn`: `forward(input, target)`. */
import * as ops from '../ops.generated.js';
import { checkOptions } from '../options.js';
import type { Tensor } from '../tensor.js';
import { checkRange } from './checks.js';
import { Module } from './module.js';
import { Buffer } from './parameter.js';

/** The way in which the losses of all samples (or elements) become one; 'none' gives them as they are. */
export type Reduction = 'mean' | 'sum' | 'none';

/** The numbers of `at::Reduction`. */
const reductionCodes = { none: 0, mean: 1, sum: 2 } as const satisfies Record<Reduction, number>;

export interface LossOptions {
  /** @default 'mean' */
  readonly reduction?: Reduction;
}

class Loss extends Module {
  readonly reduction: Reduction;

  /** @throws TypeError where an option is unknown; RangeError where the reduction is */
  constructor(options: LossOptions, known: readonly string[] = []) {
    super();
    checkOptions(new.target.name, options, ['reduction', ...known]);
    const { reduction = 'mean' } = options;
    if (!Object.hasOwn(reductionCodes, reduction)) {
      throw new RangeError(`reduction must be one of ${Object.keys(reductionCodes).join(', ')}, got ${reduction}`);
    }
    this.reduction = reduction;
  }

  protected get reductionCode(): number {
    return reductionCodes[this.reduction];
  }
}

export interface CrossEntropyLossOptions extends LossOptions {
  /** ε: the part of each target that is spread evenly over all classes. @default 0 */
  readonly labelSmoothing?: number;
  /** The weight of each class: [classes]. @default 1 each */
  readonly weight?: Tensor;
  /** Samples of this class count for nothing; only with targets that are indices. @default -100 */
  readonly ignoreIndex?: number;
}

/**
 * −Σ_c q_c log softmax(input)_c with q = (1 − ε) target + ε / classes. The input is [batch, classes, ...]; the target
 * is either int64 [batch, ...], the index of the class, or of the input's shape and dtype: a probability for each
 * class, as mix-up makes them. The mean is over the samples, weighted where classes are. (Label smoothing: Szegedy et
 * al. 2016, §7.)
 */
export class CrossEntropyLoss extends Loss {
  readonly labelSmoothing: number;
  readonly weight: Buffer | null;
  readonly ignoreIndex: number;

  /** @throws RangeError unless 0 ≤ labelSmoothing ≤ 1 */
  constructor(options: CrossEntropyLossOptions = {}) {
    super(options, ['labelSmoothing', 'weight', 'ignoreIndex']);
    this.labelSmoothing = checkRange('labelSmoothing', options.labelSmoothing ?? 0, 0, 1);
    this.weight = options.weight ? new Buffer(options.weight) : null;
    this.ignoreIndex = options.ignoreIndex ?? -100;
  }

  forward(input: Tensor, target: Tensor): Tensor {
    const { weight, ignoreIndex, labelSmoothing, reductionCode: reduction } = this;
    return ops.crossEntropyLoss(input, target, { weight, ignoreIndex, labelSmoothing, reduction });
  }
}

/** (input − target)², of equal shapes. */
export class MSELoss extends Loss {
  constructor(options: LossOptions = {}) {
    super(options);
  }

  /** @throws RangeError where the shapes differ: PyTorch broadcasts them, which is seldom meant */
  forward(input: Tensor, target: Tensor): Tensor {
    checkSameShape('MSELoss', input, target);
    return ops.mseLoss(input, target, { reduction: this.reductionCode });
  }
}

export interface BCEWithLogitsLossOptions extends LossOptions {
  /** The weight of positive targets, broadcast to the input's shape. @default 1 */
  readonly posWeight?: Tensor;
}

/** −(posWeight · target · log σ(input) + (1 − target) log(1 − σ(input))), of equal shapes, targets in [0, 1]. */
export class BCEWithLogitsLoss extends Loss {
  readonly posWeight: Buffer | null;

  constructor(options: BCEWithLogitsLossOptions = {}) {
    super(options, ['posWeight']);
    this.posWeight = options.posWeight ? new Buffer(options.posWeight) : null;
  }

  /** @throws RangeError where the shapes differ */
  forward(input: Tensor, target: Tensor): Tensor {
    checkSameShape('BCEWithLogitsLoss', input, target);
    const { posWeight, reductionCode: reduction } = this;
    return ops.binaryCrossEntropyWithLogits(input, target, { posWeight, reduction });
  }
}

function checkSameShape(name: string, input: Tensor, target: Tensor): void {
  if (input.shape.join() !== target.shape.join()) {
    throw new RangeError(
      `${name}: target shape [${target.shape.join(', ')}] does not match input shape [${input.shape.join(', ')}]`,
    );
  }
}
