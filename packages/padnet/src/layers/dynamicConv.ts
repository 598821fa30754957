/**
 * A convolution over one, two or three dimensions that asks its parameter source for a kernel and its router for the
 * coefficients (method.md §1, §2). The bias, where there is one, is mixed by the same coefficients and stays dynamic.
 *
 *     y = θ(x) ∗ x + Σ_k α_k(x) b_k,   α = router(x),   θ(x) from the source
 *
 * Where the router gives more than coefficients (ODConv), the spatial attention acts on the mixed kernel, before mask and static
 * part, the channel attention on the input, and the filter attention on the output, before the bias.
 *
 * One dimension is computed as two of which the first is 1, so that our own kernels serve it; three are compositions.
 */
import { autocast, isGradEnabled, nn, ops, type Tensor } from '@padnet/torch';
import {
  attend,
  mixParameter,
  type Attention,
  type CompactParameter,
  type EffectiveParameter,
  type Router,
} from '../dynamic/index.js';
import { numEntries, type ParameterSource, VersionCache } from '../partial/index.js';
import { fusedConv2d, packConv2d, packedConv2d, type Epilogue, type PackedConv2d } from '../compute/nativeOperators.js';
import { roundCoefficients } from './coefficientThreshold.js';
import type { ConvolutionPlan, MixingPlan } from '../compute/convolutionPlan.js';
import { isDepthwise } from '../compute/costModel.js';
import { mixedConv, perSampleConv } from '../compute/mixedConv.js';
import { outputSize } from '../compute/outputSize.js';
import { checkPlan, PlanChooser, type InputDescription, type PlanChoice } from '../compute/planChooser.js';
import { structuredConv2d } from '../compute/structuredConv2d.js';

export interface DynamicConvOptions<Geometry extends nn.ConvGeometry = nn.ConvGeometry> {
  readonly geometry: Geometry;
  readonly router: Router;
  readonly source: ParameterSource;
  /** [K, outChannels]; its memory is shared. @default null */
  readonly biasBank?: Tensor | null;
}

/** What the dynamic convolutions share: make a `DynamicConv1d`, `DynamicConv2d` or `DynamicConv3d`. */
export abstract class DynamicConv extends nn.Module {
  readonly geometry: nn.ConvGeometry;
  readonly router: Router;
  readonly source: ParameterSource;
  /** [K, outChannels] */
  readonly biasBank: nn.Parameter | null;
  /** How the layer is computed; null for the fastest way. Where the gradient is differentiated again: a composition. */
  plan: ConvolutionPlan | null = null;
  /** In evaluation, coefficients below it are rounded to 0 (`roundCoefficients`), so that their bank entries are not read. */
  coefficientThreshold = 0;
  readonly #layout: string;
  /** As it is computed. */
  readonly #plane: nn.ConvGeometry;
  readonly #plans = new PlanChooser();
  readonly #packed = new VersionCache<PackedConv2d>();

  /**
   * @param layout of inputs, for errors
   * @throws RangeError where the source's kernel does not fit the geometry
   */
  constructor({ geometry, router, source, biasBank = null }: DynamicConvOptions, layout: string) {
    super();
    const expected = nn.convWeightShape(geometry);
    if (source.shape.join() !== expected.join()) {
      throw new RangeError(
        `the source gives kernels [${source.shape.join(', ')}], the convolution needs [${expected.join(', ')}]`,
      );
    }
    this.geometry = geometry;
    this.router = router;
    this.source = source;
    this.biasBank = biasBank && new nn.Parameter(biasBank);
    this.#layout = layout;
    this.#plane = planeOf(geometry);
  }

  /**
   * [batch, inChannels, …size] → [batch, outChannels, …size']. On the CPU autocast is off within: our kernels there are for
   * float32 and float64, and the coefficients are better for it.
   *
   * @throws TypeError where the input has another number of dimensions
   */
  forward(input: Tensor): Tensor {
    if (input.dim !== this.geometry.kernelSize.length + 2) {
      throw new TypeError(`${this.constructor.name} expects ${this.#layout}, got [${input.shape.join(', ')}]`);
    }
    return input.device === 'cpu' ? autocast(null, () => this.computed(this.widened(input))) : this.computed(input);
  }

  /** An input as autocast gives it, in the dtype of the layer. */
  private widened(input: Tensor): Tensor {
    return input.dtype === 'bfloat16' ? input.to(this.router.parameters()[0]?.dtype ?? input.dtype) : input;
  }

  private computed(input: Tensor): Tensor {
    const { source, router, biasBank } = this;
    const isLine = input.dim === 3;
    const map = isLine ? input.unsqueeze(2) : input;
    const output =
      source.kind === 'static' && biasBank === null && !router.attend
        ? nn.convolve(map, this.effective(true).constant!, null, this.#plane)
        : this.attendedOutput(map, this.attentionFor(input));
    return isLine ? output.squeeze(2) : output;
  }

  private attendedOutput(input: Tensor, { coefficients, spatial, channel, filter }: Attention): Tensor {
    const { biasBank } = this;
    const eachMap = (values: Tensor): Tensor => values.reshape([...values.shape, ...input.shape.slice(2).map(() => 1)]);
    const scaled = channel ? input.mul(eachMap(channel)) : input;
    const mixture = spatial
      ? this.modulatedOutput(scaled, coefficients, spatial)
      : this.mixedOutput(scaled, coefficients);
    const output = filter ? mixture.mul(eachMap(filter)) : mixture;
    return biasBank ? output.add(eachMap(ops.matmul(coefficients, biasBank))) : output;
  }

  private attentionFor(input: Tensor): Attention {
    const { router, coefficientThreshold: threshold } = this;
    const attention = attend(router, input);
    if (threshold === 0 || this.training) return attention;
    return { ...attention, coefficients: roundCoefficients(attention.coefficients, threshold, router.sumsToOne) };
  }

  /** With attention on the positions of the mixed kernel: a composition, as our own kernels mix by one number a bank entry. */
  private modulatedOutput(input: Tensor, coefficients: Tensor, spatial: Tensor): Tensor {
    const plane = this.#plane;
    const parameter = this.effective(false);
    if (parameter.bank === null) return nn.convolve(input, parameter.constant!, null, plane);
    const positions = spatial.reshape([-1, 1, 1, ...plane.kernelSize]);
    return perSampleConv(input, mixParameter(coefficients, parameter, positions), plane);
  }

  private mixedOutput(input: Tensor, coefficients: Tensor): Tensor {
    const { source, router } = this;
    const plane = this.#plane;
    const plan = this.planInPlane(input);
    if (this.training) this.#packed.forget();
    else if (plan === 'fused' && this.isPacked())
      return packedConv2d(input, coefficients, this.packedWeights(), this.planar);
    if (plan === 'fused' || plan === 'structured' || plan === 'folded') {
      const compact = source.compact();
      if (compact) return this.compactOutput(input, coefficients, compact, plan);
    }
    const { bank, scale, constant } = this.effective(router.sumsToOne);
    if (bank === null) return nn.convolve(input, constant!, null, plane);
    const scaled = scale ? coefficients.mul(scale) : coefficients;
    const [allBanks, allCoefficients] = constant ? withConstant(bank, constant, scaled) : [bank, scaled];
    return mixed(input, allCoefficients, allBanks, plane, plan as MixingPlan);
  }

  /** What the source gives, of the plane's shape. */
  private effective(sumsToOne: boolean): EffectiveParameter {
    const { bank, scale, constant } = this.source.effective(sumsToOne);
    if (this.geometry.kernelSize.length !== 1) return { bank, scale, constant };
    return { bank: bank?.unsqueeze(-2) ?? null, scale, constant: constant?.unsqueeze(-2) ?? null };
  }

  /** For our own kernels, and what else there is for two dimensions alone. */
  private get planar(): nn.Conv2dGeometry {
    return this.#plane as nn.Conv2dGeometry;
  }

  /**
   * Whether `forwardWithEpilogue` can do for an input like this. Attention on filters comes before what follows the layer, and with
   * a bias of its own the layer would have two.
   */
  takesEpilogue(input: Tensor): boolean {
    const isPlain = this.biasBank === null && !this.router.attend && this.geometry.kernelSize.length < 3;
    return isPlain && this.isPacked() && this.planFor(this.widened(input)) === 'fused';
  }

  /**
   * activation(filterScale ⊙ layer(input) + shift + residual) in one pass, in evaluation mode and without a gradient. As in `forward`
   * autocast is off within.
   *
   * @param filterScale [outChannels]
   */
  forwardWithEpilogue(input: Tensor, filterScale: Tensor, { residual, ...epilogue }: Epilogue): Tensor {
    const toPlane = (map: Tensor): Tensor => (map.dim === 3 ? map.unsqueeze(2) : map);
    return autocast(null, () => {
      const given = this.widened(input);
      const { coefficients } = this.attentionFor(given);
      const output = packedConv2d(toPlane(given), coefficients, this.packedWeights(filterScale), this.planar, {
        ...epilogue,
        residual: residual && toPlane(this.widened(residual)),
      });
      return input.dim === 3 ? output.squeeze(2) : output;
    });
  }

  /**
   * In evaluation without a gradient. Depth-wise kernels are mixed whole, a source that is searched changes, and a static one has
   * nothing to mix.
   */
  private isPacked(): boolean {
    const { geometry, source } = this;
    if (this.training || isGradEnabled() || isDepthwise(geometry)) return false;
    return source.kind !== 'searched' && source.kind !== 'static';
  }

  /**
   * As large as the layer's weights once more, filters of a group filled up to whole vectors; made again where these have
   * changed.
   */
  private packedWeights(filterScale: Tensor | null = null): PackedConv2d {
    const { source, router, planar } = this;
    const make = (): PackedConv2d => {
      const { bank, scale, fixed } = source.compact() ?? { ...this.effective(router.sumsToOne), fixed: null };
      return packConv2d(bank!, scale, fixed, planar, filterScale);
    };
    const madeOf = [...source.stateDict().values(), ...(filterScale ? [filterScale] : [])];
    return this.#packed.get(madeOf, make);
  }

  /** Of the numbers in use. */
  private compactOutput(
    input: Tensor,
    coefficients: Tensor,
    { bank, scale, fixed }: CompactParameter,
    plan: 'fused' | 'structured' | 'folded',
  ): Tensor {
    const plane = this.#plane;
    if (plan === 'folded') {
      const weight = fixed.weight.mul(fixed.scale).reshape(nn.convWeightShape(plane));
      return nn.convolve(input, weight, null, plane);
    }
    const scaled = scale ? coefficients.mul(scale) : coefficients;
    if (plan === 'fused') return fusedConv2d(input, scaled, bank, fixed, this.planar);
    const { dynamicFilters, filters } = this.costsInPlane(input);
    return structuredConv2d({
      input,
      bank,
      staticWeight: fixed.weight.mul(fixed.scale),
      filters: filters!,
      geometry: this.planar,
      dynamic: (filterBank, filterGeometry) => mixed(input, scaled, filterBank, filterGeometry, dynamicFilters),
    });
  }

  /**
   * The plan for an input like `input`, a tensor or its description: `plan`, else the one that should be fastest.
   *
   * @throws RangeError where `plan` needs what the layer has not
   */
  planFor(input: InputDescription): ConvolutionPlan {
    return this.planInPlane(inPlane(input));
  }

  /** What each plan should cost for an input like `input`. */
  planCosts(input: InputDescription): PlanChoice {
    return this.costsInPlane(inPlane(input));
  }

  private planInPlane(input: InputDescription): ConvolutionPlan {
    const choice = this.costsInPlane(input);
    if (this.plan) checkPlan(this.plan, choice);
    return this.plan ?? choice.costs[0]!.plan;
  }

  private costsInPlane(input: InputDescription): PlanChoice {
    const { source, router } = this;
    const { numKernels, hasSpatialAttention = false } = router;
    return this.#plans.choose({ geometry: this.#plane, source, numKernels, hasSpatialAttention }, input);
  }

  /**
   * Multiplications that one forward pass executes for an input of `shape` [batch, inChannels, …size] in router, mixing and
   * convolution, by `plan`, else as if a kernel was mixed for each sample, whichever plan is the fastest on a machine.
   */
  countMacs(shape: readonly number[]): number {
    const [batch = 1] = shape;
    const size = numEntries(this.source.shape);
    const convolution = batch * numEntries(outputSize(this.geometry, shape)) * size;
    const bias = this.biasBank ? batch * this.biasBank.numel : 0;
    if (this.source.kind === 'static') return convolution + (bias > 0 ? this.router.countMacs(shape) + bias : 0);
    const { numKernels } = this.router;
    const mixing =
      this.plan === 'perKernel'
        ? batch * numKernels * numEntries(shape.slice(1)) + (numKernels - 1) * convolution
        : batch * (numKernels + (this.router.hasSpatialAttention ? 1 : 0)) * size;
    return this.router.countMacs(shape) + bias + mixing + convolution;
  }
}

/** One dimension as the second of two. */
function planeOf(geometry: nn.ConvGeometry): nn.ConvGeometry {
  const { kernelSize, stride, padding, dilation } = geometry;
  if (kernelSize.length !== 1) return geometry;
  const [size, step, border, spread] = [kernelSize, stride, padding, dilation].map(([value]) => value!);
  return { ...geometry, kernelSize: [1, size!], stride: [1, step!], padding: [0, border!], dilation: [1, spread!] };
}

function inPlane({ device, dtype, shape, direction }: InputDescription): InputDescription {
  const [batch, channels, ...size] = shape;
  const plane = size.length === 1 ? [batch!, channels!, 1, ...size] : shape;
  return { device, dtype, shape: plane, ...(direction && { direction }) };
}

function mixed(input: Tensor, coefficients: Tensor, bank: Tensor, geometry: nn.ConvGeometry, plan: MixingPlan): Tensor {
  return plan === 'fused'
    ? fusedConv2d(input, coefficients, bank, null, geometry as nn.Conv2dGeometry)
    : mixedConv(input, coefficients, bank, geometry, plan);
}

/** The constant part as one more bank entry, with coefficient 1: for routers whose coefficients do not sum to 1. */
function withConstant(bank: Tensor, constant: Tensor, coefficients: Tensor): [bank: Tensor, coefficients: Tensor] {
  const one = coefficients.newOnes([coefficients.shape[0]!, 1]);
  return [ops.cat([bank, constant.unsqueeze(0)]), ops.cat([coefficients, one], { dim: 1 })];
}
