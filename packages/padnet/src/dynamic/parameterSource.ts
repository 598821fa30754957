/**
 * Where a layer's weight comes from. Static, dynamic and partially dynamic layers differ in their source alone:
 *
 *     θ(x) = scale · Σ_k α_k(x) bank_k + constant
 */
import type { nn, Tensor } from '@padnet/torch';

export interface EffectiveParameter {
  /** [K, …shape], to be mixed by the coefficients; null where nothing depends on the input. */
  readonly bank: Tensor | null;
  /** A scalar for the whole mixture; null where it is 1. Multiplying B × K coefficients by it spares the K × n bank. */
  readonly scale: Tensor | null;
  /** […shape], the part that is the same for every input; null where it is zero or added to the bank. */
  readonly constant: Tensor | null;
}

/**
 * A partial weight by the numbers in use, λ_d · M ⊙ Σ_k α_k Θ_k + λ_s · (1 − M) ⊙ Θ_s, as the native kernels take it.
 */
export interface CompactParameter {
  /** Θ [K, d], the d dynamic entries in row-major order. */
  readonly bank: Tensor;
  /** λ_d, a scalar; null where it is 1. */
  readonly scale: Tensor | null;
  readonly staticPart: {
    /** Θ_s [n − d] */
    readonly weight: Tensor;
    /** λ_s, a scalar. */
    readonly scale: Tensor;
    /** One bit an entry, set where it is dynamic. */
    readonly maskBits: Tensor;
  };
}

/** The contract of every source; `ParameterSource` of `partial/` is the union of those that there are. */
export interface Source extends nn.Module {
  readonly kind: 'static' | 'dynamic' | 'searched' | 'partial';
  /** Shape of one effective parameter, such as [outChannels, inChannels / groups, kernelHeight, kernelWidth]. */
  readonly shape: readonly number[];
  /** K; null where there is no bank. */
  readonly numKernels: number | null;
  /** κ: the fraction of entries that depend on the input. */
  readonly dynamicRatio: number;
  /** @param sumsToOne whether the coefficients do, so that a constant may be added to every bank entry */
  effective(sumsToOne: boolean): EffectiveParameter;
  /** null where `effective` holds no more numbers than are in use. */
  compact(): CompactParameter | null;
}
