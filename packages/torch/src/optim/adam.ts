/**
 * Adam and AdamW, as `torch.optim` has them. At a parameter's step number t, with gradient g:
 *
 *     m ← β₁ m + (1 − β₁) g
 *     v ← β₂ v + (1 − β₂) g²
 *     w ← w − learningRate · m / (1 − β₁ᵗ) / (√(v / (1 − β₂ᵗ)) + eps)
 *
 * (Kingma and Ba 2015). They differ in what weight decay is: of `AdamW` a step of its own, w ← w − learningRate ·
 * weightDecay · w before the others (Loshchilov and Hutter 2019, algorithm 2); of `Adam` an L2 penalty, part of the
 * gradient and so of its averages, g ← ∇ + weightDecay · w.
 */
import { checkNonNegative } from '../nn/checks.js';
import { adamw_ } from '../nativeOperators.js';
import { Optimizer, type ParameterGroup, type Trained } from './optimizer.js';
import type { Parameters } from './parameters.js';

export interface AdamOptions {
  /** @default 0.001 */
  readonly learningRate?: number;
  /** β₁ and β₂. @default [0.9, 0.999] */
  readonly betas?: readonly [number, number];
  /** @default 1e-8 */
  readonly eps?: number;
  /** @default 0 */
  readonly weightDecay?: number;
}

export interface AdamWOptions extends AdamOptions {
  /** @default 0.01 */
  readonly weightDecay?: number;
}

type Filled = Required<AdamOptions>;

const defaults: Filled = { learningRate: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0 };

abstract class MomentOptimizer extends Optimizer<Filled> {
  protected readonly tensorKinds = ['expAvg', 'expAvgSq'];
  protected readonly numberKinds = ['step'];

  /** The step of the formula above, with weight decay as `AdamW` has it. */
  protected move(trained: readonly Trained[], options: Filled, learningRate: number): void {
    const {
      betas: [beta1, beta2],
      eps,
      weightDecay,
    } = options;
    const parameters = trained.map(({ parameter }) => parameter);
    const gradients = trained.map(({ gradient }) => gradient);
    const zeros = (missing: readonly number[]) => missing.map((i) => parameters[i]!.zerosLike());
    const averages = this.stateOf('expAvg', trained, zeros);
    const squares = this.stateOf('expAvgSq', trained, zeros);
    const steps = this.count('step', trained);
    adamw_(parameters, gradients, averages, squares, steps, learningRate, beta1, beta2, eps, weightDecay);
  }
}

export class Adam extends MomentOptimizer {
  /** @throws as `Optimizer`, and RangeError naming the option that is out of range */
  constructor(parameters: Parameters | readonly ParameterGroup<Filled>[], options: AdamOptions = {}) {
    super(parameters, options, defaults, checkOptions);
  }

  protected update(trained: readonly Trained[], options: Filled, learningRate: number): void {
    const { weightDecay } = options;
    const withPenalty = ({ name, parameter, gradient }: Trained): Trained => ({
      name,
      parameter,
      gradient: gradient.add(parameter, { alpha: weightDecay }),
    });
    this.move(weightDecay === 0 ? trained : trained.map(withPenalty), { ...options, weightDecay: 0 }, learningRate);
  }
}

export class AdamW extends MomentOptimizer {
  /** @throws as `Adam` */
  constructor(parameters: Parameters | readonly ParameterGroup<Filled>[], options: AdamWOptions = {}) {
    super(parameters, options, { ...defaults, weightDecay: 0.01 }, checkOptions);
  }

  protected update(trained: readonly Trained[], options: Filled, learningRate: number): void {
    this.move(trained, options, learningRate);
  }
}

function checkOptions({ learningRate, betas, eps, weightDecay }: Filled): void {
  for (const [name, value] of Object.entries({ learningRate, eps, weightDecay })) checkNonNegative(name, value);
  for (const beta of betas) {
    if (!(beta >= 0 && beta < 1)) throw new RangeError(`betas must be at least 0 and less than 1, got ${beta}`);
  }
}
