/** Routers: modules that map a layer's input to the coefficients of its bank, apart from the bank. */
import type { nn, Tensor } from '@padnet/torch';

export interface Router extends nn.Module {
  /** K: the number of coefficients. */
  readonly numKernels: number;
  /** Whether the coefficients of one input always sum to 1; then a static part can be added to every bank entry. */
  readonly sumsToOne: boolean;
  /** [batch, channels, …size] → coefficients α [batch, K] */
  forward(input: Tensor): Tensor;
  /** The coefficients with the attentions beside them; a router without it has coefficients alone. */
  attend?(input: Tensor): Attention;
  /** Units behind a ReLU that all it decides comes from: [batch, channels, …size] → [batch, hidden]. */
  hiddenUnits?(input: Tensor): Tensor;
  /** Whether `attend` gives a spatial attention. @default false */
  readonly hasSpatialAttention?: boolean;
  /** Multiplications for one input of `shape` [batch, channels, …size], all of the batch together. */
  countMacs(shape: readonly number[]): number;
  /**
   * Makes the router decide alike for every input, so that a layer converted from a static one can start equal to it; a
   * router without it does so by itself, with coefficients that sum to 1.
   */
  neutralise?(): Gains;
  /** Of a fresh router, which does not decide yet; one that does not say is tried on random inputs. */
  readonly initialGains?: InitialGains;
}

/** The decision of a router for each sample: ODConv's has all four, others have coefficients. Null: 1 everywhere. */
export interface Attention {
  /** α [batch, K] */
  readonly coefficients: Tensor;
  /** On each position of the mixed kernel [batch, positions], before mask and static part. */
  readonly spatial: Tensor | null;
  /** On each channel of the layer's input [batch, inChannels]. */
  readonly channel: Tensor | null;
  /** On each filter, that is each channel of the layer's output [batch, outChannels], before the bias. */
  readonly filter: Tensor | null;
}

/** The factors by which a router that decides alike for every input multiplies a layer of K equal bank entries. */
export interface Gains {
  /** Σ_k α_k: kernel and bias. */
  readonly coefficients: number;
  /** The spatial attention: the kernel. */
  readonly spatial: number;
  /** Channel and filter attention: the output, before the bias. */
  readonly output: number;
}

/** The factors by which a fresh router multiplies a layer: what independent kernels are drawn by (method.md §6). */
export interface InitialGains extends Gains {
  /** Σ_k |α_k|: the bias, and what a step of one size for every kernel moves the mixture by. */
  readonly coefficients: number;
  /** Σ_k α_k²: the variance of a mixture of independent kernels over that of one. */
  readonly squares: number;
}

export function attend(router: Router, input: Tensor): Attention {
  return router.attend?.(input) ?? { coefficients: router.forward(input), spatial: null, channel: null, filter: null };
}

/** Global average pooling over all dimensions of a map: [batch, channels, …size] → [batch, channels]. */
export function pooled(input: Tensor): Tensor {
  return input.mean(input.shape.slice(2).map((_, index) => 2 + index));
}
