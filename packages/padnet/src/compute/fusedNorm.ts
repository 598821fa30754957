/**
 * A static convolution that takes over the batch norm behind it, in evaluation:
 *
 *     γ (W ∗ x + b − μ) / √(σ² + eps) + β = (s ⊙ W) ∗ x + s (b − μ) + β,   s = γ / √(σ² + eps)
 */
import { nn, type Tensor } from '@padnet/torch';
import type { Epilogue } from './nativeOperators.js';

/** s [channels] and s (b − μ) + β [channels]. */
export function factorAndShift(norm: nn.BatchNorm, bias: Tensor | null): [factor: Tensor, shift: Tensor] {
  const scale = norm.runningVar!.add(norm.eps).rsqrt();
  const factor = norm.weight ? scale.mul(norm.weight) : scale;
  const shift = (bias ? bias.sub(norm.runningMean!) : norm.runningMean!.neg()).mul(factor);
  return [factor, norm.bias ? shift.add(norm.bias) : shift];
}

/** s ⊙ W and the shift. */
export function fusedWeights({ weight, bias }: nn.Conv, norm: nn.BatchNorm): [weight: Tensor, shift: Tensor] {
  const [factor, shift] = factorAndShift(norm, bias);
  return [weight.mul(factor.reshape([-1, ...weight.shape.slice(1).map(() => 1)])), shift];
}

/** activation(weight ∗ x + shift + residual), in place behind the convolution, whose output belongs to nobody else. */
export function convolveWithEpilogue(
  input: Tensor,
  weight: Tensor,
  { shift, residual, activation }: Epilogue,
  geometry: nn.ConvGeometry,
): Tensor {
  const output = nn.convolve(input, weight, shift, geometry);
  if (residual) output.add_(residual);
  switch (activation) {
    case 'none':
      return output;
    case 'relu':
      return output.relu_();
    case 'relu6':
      return output.hardtanh_({ minVal: 0, maxVal: 6 });
  }
}
