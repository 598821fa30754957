/**
 * y_b = (Σ_k α_bk Θ_k) ∗ x_b: a convolution whose kernel is mixed for each sample, as a composition of libtorch's operators: what
 * runs where there is no kernel of our own (`convolutionPlan.ts` chooses), and what that is compared with. Two ways give the
 * same numbers; which is faster depends on the shapes:
 *
 * - `perSample` mixes B kernels and convolves each sample with its own: one convolution of B times the groups, for 1×1 kernels
 *   one batched matrix product, for a single sample an ordinary convolution. Its cost beyond a static convolution is that of
 *   writing and packing B kernels, so it wins where each kernel is used at many positions.
 * - `perKernel` scales the input K times and runs one convolution with K times the input channels: K times the arithmetic,
 *   but nothing of size B × kernel exists. It wins at small spatial sizes.
 */
import { ops, type nn, type Tensor } from '@padnet/torch';
import { mixBank } from '../dynamic/index.js';
import { isPointwise } from './costModel.js';

/**
 * @param input [batch, inChannels, height, width]
 * @param coefficients α [batch, K]
 * @param bank Θ [K, outChannels, inChannels / groups, kernelHeight, kernelWidth]
 * @returns [batch, outChannels, height', width']
 */
export function mixedConv2d(
  input: Tensor,
  coefficients: Tensor,
  bank: Tensor,
  geometry: nn.Conv2dGeometry,
  plan: 'perSample' | 'perKernel',
): Tensor {
  return plan === 'perSample'
    ? perSampleConv2d(input, mixBank(coefficients, bank), geometry)
    : perKernel(input, coefficients, bank, geometry);
}

/**
 * Each sample with a kernel of its own.
 *
 * @param input [batch, inChannels, height, width]
 * @param kernels θ [batch, outChannels, inChannels / groups, kernelHeight, kernelWidth]
 * @returns [batch, outChannels, height', width']
 */
export function perSampleConv2d(input: Tensor, kernels: Tensor, geometry: nn.Conv2dGeometry): Tensor {
  const { stride, padding, dilation, groups, inChannels, outChannels } = geometry;
  const [batch = 0, , height = 0, width = 0] = input.shape;
  if (batch > 1 && isPointwise(geometry)) return batchedProduct(input, kernels, geometry);
  const filters = kernels.flatten({ startDim: 0, endDim: 1 });
  // Also saves reshaping, which may lose the order of the channels.
  if (batch === 1) return ops.conv2d(input, filters, { stride, padding, dilation, groups });
  const output = ops.conv2d(input.reshape([1, batch * inChannels, height, width]), filters, {
    stride,
    padding,
    dilation,
    groups: batch * groups,
  });
  return output.reshape([batch, outChannels, ...output.shape.slice(2)]);
}

/** @param kernels θ [batch, outChannels, inChannels, 1, 1] */
function batchedProduct(input: Tensor, kernels: Tensor, { stride, outChannels }: nn.Conv2dGeometry): Tensor {
  const [down, right] = stride;
  // A slice of everything would be no view of its gradient.
  const met = down * right === 1 ? input : input.slice({ dim: 2, step: down }).slice({ dim: 3, step: right });
  const [batch = 0, inChannels = 0, height = 0, width = 0] = met.shape;
  const theta = kernels.reshape([batch, outChannels, inChannels]);
  if (input.isContiguous)
    return ops.matmul(theta, met.reshape([batch, inChannels, -1])).reshape([batch, outChannels, height, width]);
  // Channels last, before and after.
  const positions = met.permute([0, 2, 3, 1]).reshape([batch, height * width, inChannels]);
  const output = ops.matmul(positions, theta.transpose(1, 2));
  return output.reshape([batch, height, width, outChannels]).permute([0, 3, 1, 2]);
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
