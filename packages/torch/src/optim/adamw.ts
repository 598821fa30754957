/**
 * Adam with decoupled weight decay, as `torch.optim.AdamW` (Loshchilov and Hutter 2019, algorithm 2). At a parameter's step
 * number t, with gradient g:
 *
 *     w ← w − learningRate · weightDecay · w
 *     m ← β₁ m + (1 − β₁) g
 *     v ← β₂ v + (1 − β₂) g²
 *     w ← w − learningRate · m / (1 − β₁ᵗ) / (√(v / (1 − β₂ᵗ)) + eps)
 */
import { checkNonNegative } from '../nn/checks.js';
import { adamw_ } from '../nativeOperators.js';
import { Optimizer, type NamedParameters, type ParameterGroup, type Trained } from './optimizer.js';

export interface AdamWOptions {
  /** @default 0.001 */
  readonly learningRate?: number;
  /** β₁ and β₂. @default [0.9, 0.999] */
  readonly betas?: readonly [number, number];
  /** @default 1e-8 */
  readonly eps?: number;
  /** @default 0.01 */
  readonly weightDecay?: number;
}

type Filled = Required<AdamWOptions>;

export class AdamW extends Optimizer<Filled> {
  protected readonly tensorKinds = ['expAvg', 'expAvgSq'];
  protected readonly numberKinds = ['step'];

  /** @throws RangeError naming the option that is out of range */
  constructor(parameters: NamedParameters | readonly ParameterGroup<Filled>[], options: AdamWOptions = {}) {
    const defaults = { learningRate: 1e-3, betas: [0.9, 0.999] as const, eps: 1e-8, weightDecay: 0.01 };
    super(parameters, { ...defaults, ...options }, checkOptions);
  }

  protected update(trained: readonly Trained[], options: Filled, learningRate: number): void {
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

function checkOptions({ learningRate, betas, eps, weightDecay }: Filled): void {
  for (const [name, value] of Object.entries({ learningRate, eps, weightDecay })) checkNonNegative(name, value);
  for (const beta of betas) {
    if (!(beta >= 0 && beta < 1)) throw new RangeError(`betas must be at least 0 and less than 1, got ${beta}`);
  }
}
