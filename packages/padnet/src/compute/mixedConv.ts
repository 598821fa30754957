/**
 * y_b = (Σ_k α_bk Θ_k) ∗ x_b: a convolution whose kernel is mixed for each sample, over one to three dimensions
 * (…size), as a composition of libtorch's operators: what runs where there is no kernel of our own
 * (`convolutionPlan.ts` chooses), and what that is compared with (method.md §4). Two ways give the same numbers; which
 * is faster depends on the shapes:
 *
 * - `perSample` mixes B kernels and convolves each sample with its own: one convolution of B times the groups, for 1×1
 *   kernels one batched matrix product, for a single sample an ordinary convolution. Its cost beyond a static
 *   convolution is that of writing and packing B kernels, so it wins where each kernel is used at many positions.
 * - `perKernel` scales the input K times and runs one convolution with K times the input channels: K times the
 *   arithmetic, but nothing of size B × kernel exists. It wins at small spatial sizes.
 */
import { nn, ops, type Tensor } from '@padnet/torch';
import { mixBank } from '../dynamic/index.js';
import { isPointwise } from './costModel.js';

/**
 * @param input [batch, inChannels, …size]
 * @param coefficients α [batch, K]
 * @param bank Θ [K, outChannels, inChannels / groups, …kernelSize]
 * @returns [batch, outChannels, …size']
 */
export function mixedConv(
  input: Tensor,
  coefficients: Tensor,
  bank: Tensor,
  geometry: nn.ConvGeometry,
  plan: 'perSample' | 'perKernel',
): Tensor {
  return plan === 'perSample'
    ? perSampleConv(input, mixBank(coefficients, bank), geometry)
    : perKernel(input, coefficients, bank, geometry);
}

/**
 * Each sample with a kernel of its own.
 *
 * @param input [batch, inChannels, …size]
 * @param kernels θ [batch, outChannels, inChannels / groups, …kernelSize]
 * @returns [batch, outChannels, …size']
 */
export function perSampleConv(input: Tensor, kernels: Tensor, geometry: nn.ConvGeometry): Tensor {
  const { groups, inChannels, outChannels } = geometry;
  const [batch = 0, , ...size] = input.shape;
  if (batch === 0) return nn.convolve(input, kernels.sum([0]), null, geometry); // connected to both, as any batch
  if (batch > 1 && isPointwise(geometry)) return batchedProduct(input, kernels, geometry);
  const filters = kernels.flatten({ startDim: 0, endDim: 1 });
  // Also saves reshaping, which may lose the order of the channels.
  if (batch === 1) return nn.convolve(input, filters, null, geometry);
  const together = input.reshape([1, batch * inChannels, ...size]);
  const output = nn.convolve(together, filters, null, { ...geometry, groups: batch * groups });
  return output.reshape([batch, outChannels, ...output.shape.slice(2)]);
}

/** @param kernels θ [batch, outChannels, inChannels, …1] */
function batchedProduct(input: Tensor, kernels: Tensor, { stride, outChannels }: nn.ConvGeometry): Tensor {
  // A slice of everything would be no view of its gradient.
  const met = stride.reduce((view, step, index) => (step > 1 ? view.slice({ dim: 2 + index, step }) : view), input);
  const [batch = 0, inChannels = 0, ...size] = met.shape;
  const theta = kernels.reshape([batch, outChannels, inChannels]);
  if (input.isContiguous)
    return ops.matmul(theta, met.reshape([batch, inChannels, -1])).reshape([batch, outChannels, ...size]);
  // Channels last, before and after.
  const positions = met.movedim(1, -1).reshape([batch, -1, inChannels]);
  const output = ops.matmul(positions, theta.transpose(1, 2));
  return output.reshape([batch, ...size, outChannels]).movedim(-1, 1);
}

function perKernel(input: Tensor, coefficients: Tensor, bank: Tensor, geometry: nn.ConvGeometry): Tensor {
  const { groups, inChannels } = geometry;
  const [batch = 0, , ...size] = input.shape;
  const [numKernels = 0, ...kernelShape] = bank.shape;
  const [outChannels = 0, groupChannels = 0, ...kernelSize] = kernelShape;
  // Channels are ordered by group, kernel, channel, so that each group meets all K kernels of its own channels.
  const scaled = input
    .reshape([batch, groups, 1, groupChannels, ...size])
    .mul(coefficients.reshape([batch, 1, numKernels, 1, ...size.map(() => 1)]))
    .reshape([batch, numKernels * inChannels, ...size]);
  const kernel = bank.transpose(0, 1).reshape([outChannels, numKernels * groupChannels, ...kernelSize]);
  return nn.convolve(scaled, kernel, null, geometry);
}
