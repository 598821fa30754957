/**
 * The parameter of a partially dynamic layer (PAD-Net §3; method.md §2), written as the paper has it:
 *
 *     θ(x) = λ_d · M ⊙ Σ_k α_k(x) Θ_k  +  λ_s · (1 − M) ⊙ Θ_s
 *
 * Every other way to compute it, of compact numbers, by native kernels or without forming θ(x) at all, is tested
 * against it. The coefficients of expert i of a mixture are 1 at i and 0 elsewhere.
 */
import type { Tensor } from '@padnet/torch';
import { mixBank, type EffectiveParameter } from '../dynamic/index.js';
import type { ScaleFactors } from './scaleFactors.js';

export interface PartialParameter {
  /** Θ [K, …shape] */
  readonly bank: Tensor;
  /** Θ_s […shape] */
  readonly staticWeight: Tensor;
  /** M […shape], bool or numbers. */
  readonly mask: Tensor;
  /** λ_d and λ_s */
  readonly factors: ScaleFactors;
}

/** α(x) [batch, K] → θ(x) [batch, …shape] */
export function partialParameter(
  coefficients: Tensor,
  { bank, staticWeight, mask, factors }: PartialParameter,
): Tensor {
  const dynamic = times(mixBank(coefficients, bank).mul(mask), factors.dynamic);
  return dynamic.add(times(staticWeight.mul(complement(mask)), factors.static));
}

/**
 * The same before it is mixed: bank M ⊙ Θ, scale λ_d and constant λ_s · (1 − M) ⊙ Θ_s, which is added to every bank
 * entry where the coefficients sum to 1.
 *
 * @param bank M ⊙ Θ [K, …shape]
 */
export function partialTerms(
  { bank, staticWeight, mask, factors }: PartialParameter,
  sumsToOne: boolean,
): EffectiveParameter {
  const scale = factors.dynamic;
  const constant = scaledStatic(staticWeight, factors, sumsToOne).mul(complement(mask));
  return sumsToOne ? { bank: bank.add(constant), scale, constant: null } : { bank, scale, constant };
}

/** λ_s Θ_s; over λ_d where it is mixed with the bank, whose mixture is multiplied by λ_d. */
export function scaledStatic(staticWeight: Tensor, factors: ScaleFactors, isMixed: boolean): Tensor {
  const scaled = times(staticWeight, factors.static);
  return isMixed && factors.dynamic ? scaled.div(factors.dynamic) : scaled;
}

/** Numbers that a layer of n entries stores, d = κn of them dynamic: (1 − κ) n + K κ n. */
export function storedNumbers(entries: number, dynamicEntries: number, numKernels: number): number {
  return entries - dynamicEntries + numKernels * dynamicEntries;
}

function times(tensor: Tensor, factor: Tensor | null): Tensor {
  return factor ? tensor.mul(factor) : tensor;
}

/** 1 − M */
function complement(mask: Tensor): Tensor {
  return mask.dtype === 'bool' ? mask.logicalNot() : mask.neg().add(1);
}
