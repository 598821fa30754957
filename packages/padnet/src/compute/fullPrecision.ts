/** Layers that compute in the dtype of their weights under autocast. */
import { autocast, type nn, type Tensor } from '@padnet/torch';

/**
 * On the CPU autocast is off while `compute` runs, and what it gave is widened: our own kernels there are for float32
 * and float64, and coefficients are better for it.
 */
export function inFullPrecision(layer: nn.Module, input: Tensor, compute: (input: Tensor) => Tensor): Tensor {
  return input.device === 'cpu' ? autocast(null, () => compute(widened(layer, input))) : compute(input);
}

/** An input as autocast gives it, in the dtype of the layer. */
export function widened(layer: nn.Module, input: Tensor): Tensor {
  return input.dtype === 'bfloat16' ? input.to(layer.parameters()[0]!.dtype) : input;
}
