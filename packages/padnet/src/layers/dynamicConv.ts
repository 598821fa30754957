/**
 * A convolution over one, two or three dimensions that asks its parameter source for a kernel and its router for the
 * coefficients (method.md §1, §2). The bias, where there is one, is mixed by the same coefficients and stays dynamic.
 *
 *     y = θ(x) ∗ x + Σ_k α_k(x) b_k,   α = router(x),   θ(x) from the source
 *
 * Where the router gives more than coefficients (ODConv), the spatial attention acts on the mixed kernel, before mask
 * and static part, the channel attention on the input, and the filter attention on the output, before the bias. θ(x) ∗
 * x is computed by `PlannedConvolution`.
 */
import { nn, ops, type Tensor } from '@padnet/torch';
import type { ConvolutionPlan } from '../compute/convolutionPlan.js';
import { inFullPrecision, widened } from '../compute/fullPrecision.js';
import type { Epilogue } from '../compute/nativeOperators.js';
import { outputSize } from '../compute/outputSize.js';
import type { InputDescription, PlanChoice } from '../compute/planChooser.js';
import { PlannedConvolution } from '../compute/plannedConvolution.js';
import { attend, type Attention, type InitialGains, type Router } from '../dynamic/index.js';
import { numEntries, type ParameterSource } from '../partial/index.js';
import { roundCoefficients } from './coefficientThreshold.js';

export interface DynamicConvOptions<Geometry extends nn.ConvGeometry = nn.ConvGeometry> {
  readonly geometry: Geometry;
  readonly router: Router;
  readonly source: ParameterSource;
  /** [K, outChannels]; its memory is shared. @default null */
  readonly biasBank?: Tensor | null;
  /** What the fresh router multiplied the layer by. @default what the router says */
  readonly initialGains?: InitialGains;
}

/** The base of the dynamic convolutions: make a `DynamicConv1d`, `DynamicConv2d` or `DynamicConv3d`. */
export abstract class DynamicConv extends nn.Module {
  readonly geometry: nn.ConvGeometry;
  readonly router: Router;
  readonly source: ParameterSource;
  /** [K, outChannels] */
  readonly biasBank: nn.Parameter | null;
  /** What the fresh router multiplied the layer by (method.md §6); null: not known. */
  readonly initialGains: InitialGains | null;
  /** How the layer is computed; null for the fastest way. Where the gradient is differentiated again: a composition. */
  plan: ConvolutionPlan | null = null;
  /**
   * In evaluation, coefficients below it are rounded to 0 (`roundCoefficients`), so that their bank entries are not
   * read.
   */
  coefficientThreshold = 0;
  readonly #layout: string;
  readonly #computation: PlannedConvolution;

  /**
   * @param layout of inputs, for errors
   * @throws RangeError where the source's kernel does not fit the geometry
   */
  constructor({ geometry, router, source, biasBank = null, initialGains }: DynamicConvOptions, layout: string) {
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
    this.initialGains = initialGains ?? router.initialGains ?? null;
    this.#layout = layout;
    this.#computation = new PlannedConvolution(this);
  }

  /**
   * [batch, inChannels, …size] → [batch, outChannels, …size'].
   *
   * @throws TypeError where the input has another number of dimensions
   */
  forward(input: Tensor): Tensor {
    if (input.dim !== this.geometry.kernelSize.length + 2) {
      throw new TypeError(`${this.constructor.name} expects ${this.#layout}, got [${input.shape.join(', ')}]`);
    }
    return inFullPrecision(this, input, (x) => {
      const { source, router, biasBank } = this;
      if (source.kind === 'static' && biasBank === null && !router.attend) return this.#computation.convolveStatic(x);
      const eachMap = (values: Tensor): Tensor => values.reshape([...values.shape, ...x.shape.slice(2).map(() => 1)]);
      const { coefficients, spatial, channel, filter } = this.attention(x);
      const mixture = this.#computation.convolve(channel ? x.mul(eachMap(channel)) : x, coefficients, spatial);
      const output = filter ? mixture.mul(eachMap(filter)) : mixture;
      return biasBank ? output.add(eachMap(ops.matmul(coefficients, biasBank))) : output;
    });
  }

  private attention(input: Tensor): Attention {
    const { router, coefficientThreshold: threshold } = this;
    const attention = attend(router, input);
    if (threshold === 0 || this.training) return attention;
    return { ...attention, coefficients: roundCoefficients(attention.coefficients, threshold, router.sumsToOne) };
  }

  /**
   * Whether `forwardWithEpilogue` can do for an input like this. Attention on filters comes before what follows the
   * layer, and with a bias of its own the layer would have two.
   */
  takesEpilogue(input: Tensor): boolean {
    if (this.biasBank !== null || this.router.attend || input.dim !== this.geometry.kernelSize.length + 2) return false;
    return this.#computation.takesEpilogue(widened(this, input));
  }

  /**
   * activation(filterScale ⊙ layer(input) + shift + residual) in one pass, in evaluation mode and without a gradient.
   *
   * @param filterScale [outChannels]
   */
  forwardWithEpilogue(input: Tensor, filterScale: Tensor, epilogue: Epilogue): Tensor {
    return inFullPrecision(this, input, (x) => {
      const residual = epilogue.residual && widened(this, epilogue.residual);
      const { coefficients } = this.attention(x);
      return this.#computation.convolveWithEpilogue(x, coefficients, filterScale, { ...epilogue, residual });
    });
  }

  /**
   * The plan for an input like `input`, a tensor or its description: `plan`, else the one that should be fastest.
   *
   * @throws RangeError where `plan` needs what the layer has not
   */
  planFor(input: InputDescription): ConvolutionPlan {
    return this.#computation.planFor(input);
  }

  /** The expected cost of each plan for an input like `input`, the fastest plan first. */
  planCosts(input: InputDescription): PlanChoice {
    return this.#computation.planCosts(input);
  }

  /**
   * Multiplications that one forward pass executes for an input of `shape` [batch, inChannels, …size] in router, mixing
   * and convolution, by `plan`, else as if a kernel was mixed for each sample, whichever plan is the fastest on a
   * machine.
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
