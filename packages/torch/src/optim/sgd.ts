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
import { _foreachAdd, _foreachAdd_, _foreachMul, _foreachMul_ } from '../ops.generated.js';
import { Optimizer, type NamedParameters, type ParameterGroup, type Trained } from './optimizer.js';

export interface SGDOptions {
  readonly learningRate: number;
  /** @default 0 */
  readonly momentum?: number;
  /** @default 0 */
  readonly dampening?: number;
  /** Needs momentum and no dampening. @default false */
  readonly nesterov?: boolean;
  /** Of an L2 penalty, added to the gradient. @default 0 */
  readonly weightDecay?: number;
}

type Filled = Required<SGDOptions>;

export class SGD extends Optimizer<Filled> {
  protected readonly tensorKinds = ['momentumBuffer'];
  protected readonly numberKinds = [];

  /** @throws RangeError naming the option that is out of range */
  constructor(parameters: NamedParameters | readonly ParameterGroup<Filled>[], options: SGDOptions) {
    super(parameters, { momentum: 0, dampening: 0, nesterov: false, weightDecay: 0, ...options }, checkOptions);
  }

  protected update(trained: readonly Trained[], options: Filled, learningRate: number): void {
    const { momentum, dampening, nesterov, weightDecay } = options;
    const parameters = trained.map(({ parameter }) => parameter);
    let gradients = trained.map(({ gradient }) => gradient);
    if (weightDecay !== 0) gradients = _foreachAdd(gradients, parameters, { alpha: weightDecay });
    if (momentum !== 0) {
      const old = Array.from(trained.keys()).filter((i) => this.hasState('momentumBuffer', trained[i]!.name));
      const buffers = this.stateOf('momentumBuffer', trained, (missing) =>
        _foreachMul(
          missing.map((i) => gradients[i]!),
          1,
        ),
      );
      if (old.length > 0) {
        const oldBuffers = old.map((i) => buffers[i]!);
        const oldGradients = old.map((i) => gradients[i]!);
        _foreachMul_(oldBuffers, momentum);
        _foreachAdd_(oldBuffers, oldGradients, { alpha: 1 - dampening });
      }
      if (!nesterov) gradients = buffers;
      // With weight decay the list is ours already: another one costs as much memory as all parameters.
      else if (weightDecay !== 0) _foreachAdd_(gradients, buffers, { alpha: momentum });
      else gradients = _foreachAdd(gradients, buffers, { alpha: momentum });
    }
    _foreachAdd_(parameters, gradients, { alpha: -learningRate });
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
