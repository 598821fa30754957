/** `mixParameter` of a partial source by the numbers in use (method.md §2), without its bank as a whole. */
import { ops, type Tensor } from '@padnet/torch';
import { numEntries, type PartialSource } from '../partial/index.js';

/** α [batch, K] → θ [batch, …shape] */
export function mixInUse(coefficients: Tensor, source: PartialSource): Tensor {
  const { bank, scale, fixed } = source.compact();
  const entries = source.entries();
  const batch = coefficients.shape[0]!;
  const mixed = ops.matmul(scale ? coefficients.mul(scale) : coefficients, bank);
  const constant = fixed.weight.mul(fixed.scale).to(mixed.dtype);
  const each = (values: Tensor): Tensor => values.expand([batch, values.numel]);
  const inside = ops.scatter(mixed.newZeros([batch, numEntries(source.shape)]), 1, each(entries.dynamic), mixed);
  return ops.scatter(inside, 1, each(entries.fixed), each(constant)).reshape([batch, ...source.shape]);
}
