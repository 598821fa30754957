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
  /** […shape], the part that is the same for every input; null where it is zero or folded into the bank. */
  readonly constant: Tensor | null;
}

export interface ParameterSource extends nn.Module {
  readonly kind: 'static' | 'dynamic' | 'partial';
  /** Shape of one effective parameter, such as [outChannels, inChannels / groups, kernelHeight, kernelWidth]. */
  readonly shape: readonly number[];
  /** κ: the fraction of entries that depend on the input. */
  readonly dynamicRatio: number;
  /** @param sumsToOne whether the coefficients do, so that a constant may be folded into every bank entry */
  effective(sumsToOne: boolean): EffectiveParameter;
}
