/** How a dynamic convolution is computed. All plans give the same numbers; which is fastest depends on shapes and device. */
import type { nn } from '@padnet/torch';

/**
 * - `fused`: our own kernels (`native/convolution.cc`), float32 and float64 on the CPU: each sample's kernel is mixed tile by
 *   tile in cache. Filters that are static as a whole are neither mixed nor read K times.
 * - `perSample`, `perKernel`: compositions of libtorch's operators, see `mixedConv2d.ts`; they can be differentiated twice.
 */
export const convolutionPlans = ['fused', 'perSample', 'perKernel'] as const;
export type ConvolutionPlan = (typeof convolutionPlans)[number];

/**
 * The faster composition, measured on two cores (AVX-512, libtorch 1.13), forward and backward, relative to the static
 * convolution of the same shape: perSample costs about 1 + 350 / positions (1.2 at 28², 3 at 14², 7 at 7², 24 at 4²), perKernel
 * about K. Depth-wise kernels are too small to matter.
 */
export function chooseComposition(
  batch: number,
  positions: number,
  numKernels: number,
  geometry: nn.Conv2dGeometry,
): 'perSample' | 'perKernel' {
  const isDepthwise = geometry.groups === geometry.inChannels && geometry.groups > 1;
  return batch <= 2 || isDepthwise || 350 / positions <= numKernels - 1 ? 'perSample' : 'perKernel';
}
