/**
 * A convolution that asks its parameter source for a kernel and its router for the coefficients (method.md §1, §2). The
 * bias, where there is one, is mixed by the same coefficients and stays dynamic.
 *
 *     y = θ(x) ∗ x + Σ_k α_k(x) b_k,   α = router(x),   θ(x) from the source
 */
import { nn, ops, type Tensor } from '@padnet/torch';
import type { ParameterSource, Router } from '../dynamic/index.js';
import { numEntries } from '../partial/index.js';
import { choosePlan, mixedConv2d } from './mixedConv2d.js';

export interface DynamicConv2dOptions {
  readonly geometry: nn.Conv2dGeometry;
  readonly router: Router;
  readonly source: ParameterSource;
  /** [K, outChannels]; its memory is shared. @default null */
  readonly biasBank?: Tensor | null;
}

export class DynamicConv2d extends nn.Module {
  readonly geometry: nn.Conv2dGeometry;
  readonly router: Router;
  readonly source: ParameterSource;
  /** [K, outChannels] */
  readonly biasBank: nn.Parameter | null;

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
    const { geometry } = this;
    const { stride, padding, dilation, groups } = geometry;
    const { bank, scale, constant } = this.source.effective(this.router.sumsToOne);
    if (bank === null && this.biasBank === null)
      return ops.conv2d(input, constant!, { stride, padding, dilation, groups });
    const coefficients = this.router.forward(input);
    const bias = this.biasBank && ops.matmul(coefficients, this.biasBank);
    if (bank === null) {
      const output = ops.conv2d(input, constant!, { stride, padding, dilation, groups });
      return bias ? output.add(bias.unsqueeze(2).unsqueeze(3)) : output;
    }
    const scaled = scale ? coefficients.mul(scale) : coefficients;
    const [allBanks, allCoefficients] = constant ? withConstant(bank, constant, scaled) : [bank, scaled];
    return mixedConv2d(input, allCoefficients, allBanks, bias, geometry, this.plan(input.shape, allBanks.shape[0]!));
  }

  /**
   * Multiplications that one forward pass executes for an input of `shape` [batch, inChannels, height, width]: router, mixing
   * and convolution, by the plan that would run.
   */
  countMacs(shape: readonly number[]): number {
    const [batch = 1] = shape;
    const size = numEntries(this.source.shape);
    const [height, width] = outputSize(this.geometry, shape);
    const convolution = batch * height * width * size;
    const numKernels = this.router.numKernels + (this.source.kind === 'partial' && !this.router.sumsToOne ? 1 : 0);
    const bias = this.biasBank ? batch * this.biasBank.numel : 0;
    if (this.source.kind === 'static') return convolution + (bias > 0 ? this.router.countMacs(shape) + bias : 0);
    const scaling = batch * numKernels * numEntries(shape.slice(1));
    const mixing =
      this.plan(shape, numKernels) === 'perSample'
        ? batch * numKernels * size + convolution
        : scaling + numKernels * convolution;
    return this.router.countMacs(shape) + bias + mixing;
  }

  private plan(shape: readonly number[], numKernels: number): ReturnType<typeof choosePlan> {
    const [height, width] = outputSize(this.geometry, shape);
    return choosePlan(shape[0]!, height * width, numKernels, this.geometry);
  }
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
