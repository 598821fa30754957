/**
 * θ(x) ∗ x of a dynamic convolution by the plan that its layer asks for, or else the one that should be the fastest
 * (method.md §4).
 *
 * One dimension is computed as two of which the first is 1, so that our own kernels serve it; three are compositions.
 */
import { isGradEnabled, nn, ops, type Tensor } from '@padnet/torch';
import { mixParameter, type CompactParameter, type EffectiveParameter, type Router } from '../dynamic/index.js';
import { VersionCache, type ParameterSource } from '../partial/index.js';
import type { ConvolutionPlan, MixingPlan } from './convolutionPlan.js';
import { isDepthwise } from './costModel.js';
import { mixedConv, perSampleConv } from './mixedConv.js';
import { fusedConv2d, packConv2d, packedConv2d, type Epilogue, type PackedConv2d } from './nativeOperators.js';
import { checkPlan, PlanChooser, type InputDescription, type PlanChoice } from './planChooser.js';
import { structuredConv2d } from './structuredConv2d.js';

/** The part of a layer that its computation reads at every pass, so that it follows changes. */
export interface ComputedConvolution {
  readonly geometry: nn.ConvGeometry;
  readonly source: ParameterSource;
  readonly router: Pick<Router, 'numKernels' | 'sumsToOne' | 'hasSpatialAttention'>;
  /** Null for the fastest. */
  readonly plan: ConvolutionPlan | null;
  readonly training: boolean;
}

export class PlannedConvolution {
  readonly #layer: ComputedConvolution;
  /** The geometry as it is computed. */
  readonly #plane: nn.ConvGeometry;
  readonly #plans = new PlanChooser();
  readonly #packed = new VersionCache<PackedConv2d>();

  constructor(layer: ComputedConvolution) {
    this.#layer = layer;
    this.#plane = planeOf(layer.geometry);
  }

  /** θ ∗ x where θ is the same for every input. */
  convolveStatic(input: Tensor): Tensor {
    return onPlane(input, (map) => nn.convolve(map, this.effective(true).constant!, null, this.#plane));
  }

  /**
   * [batch, inChannels, …size] → [batch, outChannels, …size'].
   *
   * @param coefficients α [batch, K]
   * @param spatial on the positions of the mixed kernel, before mask and static part [batch, positions]; null for none
   */
  convolve(input: Tensor, coefficients: Tensor, spatial: Tensor | null): Tensor {
    return onPlane(input, (map) =>
      spatial ? this.weighedOutput(map, coefficients, spatial) : this.mixedOutput(map, coefficients),
    );
  }

  /** Whether `convolveWithEpilogue` can do for an input like this. */
  takesEpilogue(input: InputDescription): boolean {
    return this.#plane.kernelSize.length === 2 && this.isPackable() && this.planFor(input) === 'fused';
  }

  /**
   * activation(filterScale ⊙ (θ(x) ∗ x) + shift + residual) in one pass, in evaluation mode and without a gradient.
   *
   * @param filterScale [outChannels]
   */
  convolveWithEpilogue(input: Tensor, coefficients: Tensor, filterScale: Tensor, epilogue: Epilogue): Tensor {
    const residual = epilogue.residual && toPlane(epilogue.residual);
    const packed = this.packedWeights(filterScale);
    return onPlane(input, (map) => packedConv2d(map, coefficients, packed, this.planar, { ...epilogue, residual }));
  }

  /** @throws RangeError where the layer's plan needs what the layer has not */
  planFor(input: InputDescription): ConvolutionPlan {
    const choice = this.planCosts(input);
    const { plan } = this.#layer;
    if (plan) checkPlan(plan, choice);
    return plan ?? choice.costs[0]!.plan;
  }

  planCosts({ device, dtype, shape, direction }: InputDescription): PlanChoice {
    const { source, router } = this.#layer;
    const { numKernels, hasSpatialAttention = false } = router;
    const [batch = 0, channels = 0, ...size] = shape;
    const plane = size.length === 1 ? [batch, channels, 1, ...size] : shape;
    const convolution = { geometry: this.#plane, source, numKernels, hasSpatialAttention };
    return this.#plans.choose(convolution, { device, dtype, shape: plane, ...(direction && { direction }) });
  }

  /** A composition, as our own kernels mix by one number a bank entry. */
  private weighedOutput(input: Tensor, coefficients: Tensor, spatial: Tensor): Tensor {
    const plane = this.#plane;
    const parameter = this.effective(false);
    if (parameter.bank === null) return nn.convolve(input, parameter.constant!, null, plane);
    const positions = spatial.reshape([-1, 1, 1, ...plane.kernelSize]);
    return perSampleConv(input, mixParameter(coefficients, parameter, positions), plane);
  }

  private mixedOutput(input: Tensor, coefficients: Tensor): Tensor {
    const { source, router, training } = this.#layer;
    const plane = this.#plane;
    const plan = this.planFor(input);
    if (training) this.#packed.forget();
    else if (plan === 'fused' && this.isPackable())
      return packedConv2d(input, coefficients, this.packedWeights(), this.planar);
    if (plan === 'fused' || plan === 'structured' || plan === 'static') {
      const compact = source.compact();
      if (compact) return this.compactOutput(input, coefficients, compact, plan);
    }
    const { bank, scale, constant } = this.effective(router.sumsToOne);
    if (bank === null) return nn.convolve(input, constant!, null, plane);
    const scaled = scale ? coefficients.mul(scale) : coefficients;
    const [allBanks, allCoefficients] = constant ? withConstant(bank, constant, scaled) : [bank, scaled];
    return mixed(input, allCoefficients, allBanks, plane, plan as MixingPlan);
  }

  /** By the numbers in use. */
  private compactOutput(
    input: Tensor,
    coefficients: Tensor,
    { bank, scale, staticPart }: CompactParameter,
    plan: 'fused' | 'structured' | 'static',
  ): Tensor {
    const plane = this.#plane;
    const scaled = scale ? coefficients.mul(scale) : coefficients;
    if (plan === 'fused') return fusedConv2d(input, scaled, bank, staticPart, this.planar);
    const staticWeight = staticPart.weight.mul(staticPart.scale);
    if (plan === 'static') return nn.convolve(input, staticWeight.reshape(nn.convWeightShape(plane)), null, plane);
    const { dynamicFilters, filters } = this.planCosts(input);
    return structuredConv2d({
      input,
      bank,
      staticWeight,
      filters: filters!,
      geometry: this.planar,
      dynamic: (filterBank, filterGeometry) => mixed(input, scaled, filterBank, filterGeometry, dynamicFilters),
    });
  }

  /** The parameter that the source gives, in the shape of a plane's convolution. */
  private effective(sumsToOne: boolean): EffectiveParameter {
    const { geometry, source } = this.#layer;
    const { bank, scale, constant } = source.effective(sumsToOne);
    if (geometry.kernelSize.length !== 1) return { bank, scale, constant };
    return { bank: bank?.unsqueeze(-2) ?? null, scale, constant: constant?.unsqueeze(-2) ?? null };
  }

  /** For our own kernels, and what else there is for two dimensions alone. */
  private get planar(): nn.Conv2dGeometry {
    return this.#plane as nn.Conv2dGeometry;
  }

  /**
   * Whether the weights can be packed: in evaluation without a gradient. Depth-wise kernels are mixed whole, a source
   * that is searched changes, and a static one has nothing to mix.
   */
  private isPackable(): boolean {
    const { geometry, source, training } = this.#layer;
    if (training || isGradEnabled() || isDepthwise(geometry)) return false;
    return source.kind !== 'searched' && source.kind !== 'static';
  }

  /**
   * As large as the layer's weights once more, filters of a group filled up to whole vectors; made again where these
   * have changed.
   */
  private packedWeights(filterScale: Tensor | null = null): PackedConv2d {
    const { source, router } = this.#layer;
    const madeOf = [...source.stateDict().values(), ...(filterScale ? [filterScale] : [])];
    return this.#packed.get(madeOf, () => {
      const { bank, scale, staticPart } = source.compact() ?? { ...this.effective(router.sumsToOne), staticPart: null };
      return packConv2d(bank!, scale, staticPart, this.planar, filterScale);
    });
  }
}

/** One dimension as the second of two. */
function planeOf(geometry: nn.ConvGeometry): nn.ConvGeometry {
  const { kernelSize, stride, padding, dilation } = geometry;
  if (kernelSize.length !== 1) return geometry;
  const [size, step, border, spread] = [kernelSize, stride, padding, dilation].map(([value]) => value!);
  return { ...geometry, kernelSize: [1, size!], stride: [1, step!], padding: [0, border!], dilation: [1, spread!] };
}

function toPlane(map: Tensor): Tensor {
  return map.dim === 3 ? map.unsqueeze(2) : map;
}

function onPlane(input: Tensor, compute: (map: Tensor) => Tensor): Tensor {
  const output = compute(toPlane(input));
  return input.dim === 3 ? output.squeeze(2) : output;
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
