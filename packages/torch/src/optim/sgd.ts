/**
 * Stochastic gradient descent with momentum, as `torch.optim.SGD`:
 *
 *     g ← ∇ + weightDecay · w
 *     b ← momentum · b + (1 − dampening) · g        (b = g at first)
 *     w ← w − learningRate · (nesterov ? g + momentum · b : b)
 *
 * (Sutskever et al. 2013, with PyTorch's difference: the learning rate is outside of b.)
 */
import { checkNonNegative, checkRange } from '../nn/checks.js';
import { sgd_ } from '../nativeOperators.js';
import type { Tensor } from '../tensor.js';
import { Optimizer, type ParameterGroup, type Trained } from './optimizer.js';
import type { Parameters } from './parameters.js';

export interface SGDOptions {
  readonly learningRate: number;
  /** @default 0 */
  readonly momentum?: number;
  /** @default 0 */
  readonly dampening?: number;
  /** Needs momentum and no dampening. @default false */
  readonly nesterov?: boolean;
  /** The factor of an L2 penalty, added to the gradient. @default 0 */
  readonly weightDecay?: number;
}

type Filled = Required<SGDOptions>;

const defaults = { momentum: 0, dampening: 0, nesterov: false, weightDecay: 0 };

export class SGD extends Optimizer<Filled> {
  protected readonly tensorKinds = ['momentumBuffer'];
  protected readonly numberKinds = [];

  /** @throws as `Optimizer`, and RangeError naming the option that is out of range */
  constructor(parameters: Parameters | readonly ParameterGroup<Filled>[], options: SGDOptions) {
    super(parameters, options, { learningRate: undefined, ...defaults }, checkOptions);
  }

  protected update(trained: readonly Trained[], options: Filled, learningRate: number): void {
    const { momentum, dampening, nesterov, weightDecay } = options;
    const run = (some: readonly Trained[], buffers: readonly Tensor[], damped: number): void => {
      const parameters = some.map(({ parameter }) => parameter);
      const gradients = some.map(({ gradient }) => gradient);
      sgd_(parameters, gradients, buffers, learningRate, momentum, damped, weightDecay, nesterov);
    };
    if (momentum === 0) {
      run(trained, [], 0);
      return;
    }
    const isOld = ({ name }: Trained): boolean => this.hasState('momentumBuffer', name);
    const [old, fresh] = [trained.filter(isOld), trained.filter((one) => !isOld(one))];
    run(old, this.buffers(old), dampening);
    run(fresh, this.buffers(fresh), 0); // from zeros and undamped: b = g
  }

  private buffers(trained: readonly Trained[]): Tensor[] {
    return this.stateOf('momentumBuffer', trained, (missing) => missing.map((i) => trained[i]!.parameter.zerosLike()));
  }
}

function checkOptions({ learningRate, momentum, dampening, nesterov, weightDecay }: Filled): void {
  for (const [name, value] of Object.entries({ learningRate, momentum, weightDecay })) checkNonNegative(name, value);
  checkRange('dampening', dampening, 0, 1);
  if (nesterov && (momentum === 0 || dampening !== 0)) {
    throw new RangeError(
      `nesterov needs a momentum above 0 and no dampening, got momentum ${momentum} and dampening ${dampening}`,
    );
  }
}
