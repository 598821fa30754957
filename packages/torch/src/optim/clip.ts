/** Gradients made smaller before a step, in place. Parameters without a gradient are passed over. */
import { noGrad } from '../autograd.js';
import { checkNonNegative } from '../nn/checks.js';
import { _foreachMul_, _foreachNorm, stack } from '../ops.generated.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { named, type Parameters } from './parameters.js';

function gradientsOf(user: string, parameters: Parameters): Tensor[] {
  return named(user, parameters)
    .map(([, parameter]) => parameter.grad)
    .filter((gradient) => gradient !== null);
}

/**
 * Scales all gradients by min(1, maxNorm / (total + 1e-6)), where `total` is the Euclidean norm of all of them
 * together, as `torch.nn.utils.clip_grad_norm_`. Where it is not finite, nothing is changed: what to do then is the
 * caller's decision.
 *
 * @returns the total norm before
 * @throws RangeError unless maxNorm is a finite number of at least 0
 */
export function clipGradNorm(parameters: Parameters, maxNorm: number): number {
  checkNonNegative('maxNorm', maxNorm);
  return scope(() =>
    noGrad(() => {
      const gradients = gradientsOf('clipGradNorm', parameters);
      if (gradients.length === 0) return 0;
      const total = _foreachNorm([stack(_foreachNorm(gradients))])[0]!;
      const norm = total.item();
      // In the gradients' own precision, so that the factor is PyTorch's to the last bit.
      const factor = total.add(1e-6).reciprocal().mul(maxNorm).item();
      if (Number.isFinite(norm) && factor < 1) _foreachMul_(gradients, factor);
      return norm;
    }),
  );
}

/**
 * Clips each element of each gradient to ±maxValue, as `torch.nn.utils.clip_grad_value_`.
 *
 * @throws RangeError unless maxValue is a finite number of at least 0
 */
export function clipGradValue(parameters: Parameters, maxValue: number): void {
  checkNonNegative('maxValue', maxValue);
  scope(() => {
    noGrad(() => {
      for (const gradient of gradientsOf('clipGradValue', parameters))
        gradient.clamp_({ min: -maxValue, max: maxValue });
    });
  });
}
