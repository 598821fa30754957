import type { nn } from '@padnet/torch';

/** Height and width of a convolution's output for an input [batch, channels, height, width]. */
export function outputSize(
  { kernelSize, stride, padding, dilation }: nn.Conv2dGeometry,
  shape: readonly number[],
): [number, number] {
  const along = (axis: 0 | 1): number =>
    Math.floor((shape[2 + axis]! + 2 * padding[axis] - dilation[axis] * (kernelSize[axis] - 1) - 1) / stride[axis]) + 1;
  return [along(0), along(1)];
}
