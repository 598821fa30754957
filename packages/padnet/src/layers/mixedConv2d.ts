/**
 * y_b = (Σ_k α_bk Θ_k) ∗ x_b: a convolution whose kernel is mixed for each sample, as a composition of libtorch's operators.
 * Two ways give the same numbers; which is faster depends on the shapes:
 *
 * - `perSample` mixes B kernels and runs one grouped convolution. Its cost beyond a static convolution is that of writing and
 *   packing B kernels, so it wins where each kernel is used at many positions.
 * - `perKernel` scales the input K times and runs one convolution with K times the input channels: K times the arithmetic,
 *   but nothing of size B × kernel exists. It wins at small spatial sizes.
 */
import { ops, type nn, type Tensor } from '@padnet/torch';
import { mixBank } from '../dynamic/index.js';

export type MixingPlan = 'perSample' | 'perKernel';

/**
 * Measured on two cores (AVX-512, libtorch 1.13), forward and backward, relative to the static convolution of the same shape:
 * perSample costs about 1 + 350 / positions (1.2 at 28², 3 at 14², 7 at 7², 24 at 4²), perKernel about K. Depth-wise kernels
 * are too small to matter.
 */
export function choosePlan(
  batch: number,
  positions: number,
  numKernels: number,
  geometry: nn.Conv2dGeometry,
): MixingPlan {
  const isDepthwise = geometry.groups === geometry.inChannels && geometry.groups > 1;
  return batch <= 2 || isDepthwise || 350 / positions <= numKernels - 1 ? 'perSample' : 'perKernel';
}

/**
 * @param input [batch, inChannels, height, width]
 * @param coefficients α [batch, K]
 * @param bank Θ [K, outChannels, inChannels / groups, kernelHeight, kernelWidth]
 * @param bias [batch, outChannels] or null
 * @returns [batch, outChannels, height', width']
 */
export function mixedConv2d(
  input: Tensor,
  coefficients: Tensor,
  bank: Tensor,
  bias: Tensor | null,
  geometry: nn.Conv2dGeometry,
  plan: MixingPlan,
): Tensor {
  const mixed =
    plan === 'perSample'
      ? perSample(input, coefficients, bank, geometry)
      : perKernel(input, coefficients, bank, geometry);
  return bias ? mixed.add(bias.unsqueeze(2).unsqueeze(3)) : mixed;
}

function perSample(input: Tensor, coefficients: Tensor, bank: Tensor, geometry: nn.Conv2dGeometry): Tensor {
  const { stride, padding, dilation, groups, inChannels, outChannels } = geometry;
  const [batch = 0, , height = 0, width = 0] = input.shape;
  const kernels = mixBank(coefficients, bank).flatten({ startDim: 0, endDim: 1 });
  const output = ops.conv2d(input.reshape([1, batch * inChannels, height, width]), kernels, {
    stride,
    padding,
    dilation,
    groups: batch * groups,
  });
  return output.reshape([batch, outChannels, ...output.shape.slice(2)]);
}

function perKernel(input: Tensor, coefficients: Tensor, bank: Tensor, geometry: nn.Conv2dGeometry): Tensor {
  const { stride, padding, dilation, groups, inChannels } = geometry;
  const [batch = 0, , height = 0, width = 0] = input.shape;
  const [numKernels = 0, ...kernelShape] = bank.shape;
  const [outChannels = 0, groupChannels = 0, ...kernelSize] = kernelShape;
  // Channels are ordered by group, kernel, channel, so that each group meets all K kernels of its own channels.
  const scaled = input
    .reshape([batch, groups, 1, groupChannels, height, width])
    .mul(coefficients.reshape([batch, 1, numKernels, 1, 1, 1]))
    .reshape([batch, numKernels * inChannels, height, width]);
  const kernel = bank.transpose(0, 1).reshape([outChannels, numKernels * groupChannels, ...kernelSize]);
  return ops.conv2d(scaled, kernel, { stride, padding, dilation, groups });
}
