/** `mixParameter` of a partial source by the numbers in use (method.md §2), without its bank as a whole. */
import { ops, type Tensor } from '@padnet/torch';
import { numEntries, type PartialSource } from '../partial/index.js';

/** α [batch, K] → θ [batch, …shape] */
export function mixInUse(coefficients: Tensor, source: PartialSource): Tensor {
  const { bank, scale, staticPart } = source.compact();
  const entries = source.entries();
  const batch = coefficients.shape[0]!;
  const mixed = ops.matmul(scale ? coefficients.mul(scale) : coefficients, bank);
  const constant = staticPart.weight.mul(staticPart.scale).to(mixed.dtype);
  const each = (values: Tensor): Tensor => values.expand([batch, values.numel]);
  const dynamic = ops.scatter(mixed.newZeros([batch, numEntries(source.shape)]), 1, each(entries.dynamic), mixed);
  return ops.scatter(dynamic, 1, each(entries.static), each(constant)).reshape([batch, ...source.shape]);
}
