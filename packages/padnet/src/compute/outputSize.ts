import type { nn } from '@padnet/torch';

/** Size of a convolution's output along each dimension for an input [batch, channels, …size]. */
export function outputSize(
  { kernelSize, stride, padding, dilation }: nn.ConvGeometry,
  shape: readonly number[],
): number[] {
  return kernelSize.map((kernel, axis) => {
    const span = shape[2 + axis]! + 2 * padding[axis]! - dilation[axis]! * (kernel - 1) - 1;
    return Math.floor(span / stride[axis]!) + 1;
  });
}
