/**
 * Coefficients that are nearly 0, rounded to 0 if asked: the native kernels do not read a bank entry whose coefficient
 * is 0.
 */
import { ops, type Tensor } from '@padnet/torch';

/**
 * Coefficients below `threshold` become 0, but for the largest of each sample; where they sum to 1, the others are
 * scaled so that they still do.
 *
 * @param coefficients α [batch, K], not negative
 */
export function roundCoefficients(coefficients: Tensor, threshold: number, sumsToOne: boolean): Tensor {
  const largest = coefficients.amax({ dim: [1], keepdim: true });
  const kept = coefficients.mul(coefficients.ge(threshold).logicalOr(coefficients.eq(largest)));
  return sumsToOne ? ops.div(kept, kept.sum([1], { keepdim: true })) : kept;
}
