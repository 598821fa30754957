/**
 * A convolution that asks its parameter source for a kernel and its router for the coefficients (method.md §1, §2). The
 * bias, where there is one, is mixed by the same coefficients and stays dynamic.
 *
 *     y = θ(x) ∗ x + Σ_k α_k(x) b_k,   α = router(x),   θ(x) from the source
 */
import { nn, ops, type Tensor } from '@padnet/torch';
import type { ParameterSource, Router } from '../dynamic/index.js';
import { numEntries } from '../partial/index.js';
import { fusedConv2d, isFusable } from '../nativeOperators.js';
import { chooseComposition, type ConvolutionPlan } from './convolutionPlan.js';
import { mixedConv2d } from './mixedConv2d.js';

export interface DynamicConv2dOptions {
  readonly geometry: nn.Conv2dGeometry;
  readonly router: Router;
  readonly source: ParameterSource;
  /** [K, outChannels]; its memory is shared. @default null */
  readonly biasBank?: Tensor | null;
}

/** What a plan depends on; a tensor is one. */
export interface InputDescription extends Pick<Tensor, 'device' | 'dtype'> {
  /** [batch, inChannels, height, width] */
  readonly shape: readonly number[];
}

export class DynamicConv2d extends nn.Module {
  readonly geometry: nn.Conv2dGeometry;
  readonly router: Router;
  readonly source: ParameterSource;
  /** [K, outChannels] */
  readonly biasBank: nn.Parameter | null;
  /** How the layer is computed; null for the fastest way. Where the gradient is differentiated again: a composition. */
  plan: ConvolutionPlan | null = null;

  /** @throws RangeError where the source's kernel does not fit the geometry */
  constructor({ geometry, router, source, biasBank = null }: DynamicConv2dOptions) {
    super();
    const expected = nn.conv2dWeightShape(geometry);
    if (source.shape.join() !== expected.join()) {
      throw new RangeError(
        `the source gives kernels [${source.shape.join(', ')}], the convolution needs [${expected.join(', ')}]`,
      );
    }
    this.geometry = geometry;
    this.router = router;
    this.source = source;
    this.biasBank = biasBank && new nn.Parameter(biasBank);
  }

  /** [batch, inChannels, height, width] → [batch, outChannels, height', width'] */
  forward(input: Tensor): Tensor {
    const { source, router, geometry, biasBank } = this;
    if (source.kind === 'static' && biasBank === null)
      return convolve(input, source.effective(true).constant!, geometry);
    const coefficients = router.forward(input);
    const output = this.mixedOutput(input, coefficients);
    return biasBank ? output.add(ops.matmul(coefficients, biasBank).unsqueeze(2).unsqueeze(3)) : output;
  }

  private mixedOutput(input: Tensor, coefficients: Tensor): Tensor {
    const { source, router, geometry } = this;
    const plan = this.planFor(input);
    const compact = plan === 'fused' ? source.compact() : null;
    if (compact) {
      const { bank, scale, fixed } = compact;
      return fusedConv2d(input, scale ? coefficients.mul(scale) : coefficients, bank, fixed, geometry);
    }
    const { bank, scale, constant } = source.effective(router.sumsToOne);
    if (bank === null) return convolve(input, constant!, geometry);
    const scaled = scale ? coefficients.mul(scale) : coefficients;
    const [allBanks, allCoefficients] = constant ? withConstant(bank, constant, scaled) : [bank, scaled];
    return plan === 'fused'
      ? fusedConv2d(input, allCoefficients, allBanks, null, geometry)
      : mixedConv2d(input, allCoefficients, allBanks, geometry, plan);
  }

  /** The plan for an input like `input`, a tensor or its description. */
  planFor({ shape, device, dtype }: InputDescription): ConvolutionPlan {
    if (this.plan) return this.plan;
    if (isFusable({ device, dtype })) return 'fused';
    const [height, width] = outputSize(this.geometry, shape);
    return chooseComposition(shape[0]!, height * width, this.router.numKernels, this.geometry);
  }

  /**
   * Multiplications that one forward pass executes for an input of `shape` [batch, inChannels, height, width]: router, mixing
   * and convolution, by the plan that would run for float32 on the CPU.
   */
  countMacs(shape: readonly number[]): number {
    const [batch = 1] = shape;
    const size = numEntries(this.source.shape);
    const [height, width] = outputSize(this.geometry, shape);
    const convolution = batch * height * width * size;
    const bias = this.biasBank ? batch * this.biasBank.numel : 0;
    if (this.source.kind === 'static') return convolution + (bias > 0 ? this.router.countMacs(shape) + bias : 0);
    const { numKernels } = this.router;
    const mixing =
      this.planFor({ shape, device: 'cpu', dtype: 'float32' }) === 'perKernel'
        ? batch * numKernels * numEntries(shape.slice(1)) + (numKernels - 1) * convolution
        : batch * numKernels * size;
    return this.router.countMacs(shape) + bias + mixing + convolution;
  }
}

function convolve(input: Tensor, weight: Tensor, { stride, padding, dilation, groups }: nn.Conv2dGeometry): Tensor {
  return ops.conv2d(input, weight, { stride, padding, dilation, groups });
}

/** The constant part as one more bank entry, with coefficient 1: for routers whose coefficients do not sum to 1. */
function withConstant(bank: Tensor, constant: Tensor, coefficients: Tensor): [bank: Tensor, coefficients: Tensor] {
  const one = coefficients.newOnes([coefficients.shape[0]!, 1]);
  return [ops.cat([bank, constant.unsqueeze(0)]), ops.cat([coefficients, one], { dim: 1 })];
}

/** Height and width of a convolution's output for an input [batch, channels, height, width]. */
export function outputSize(
  { kernelSize, stride, padding, dilation }: nn.Conv2dGeometry,
  shape: readonly number[],
): [number, number] {
  const along = (axis: 0 | 1): number =>
    Math.floor((shape[2 + axis]! + 2 * padding[axis] - dilation[axis] * (kernelSize[axis] - 1) - 1) / stride[axis]) + 1;
  return [along(0), along(1)];
}
