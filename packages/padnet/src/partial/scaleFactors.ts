/**
 * λ_d = 2σ(φ) and λ_s = 2 − λ_d weigh the dynamic and the static part of a layer; one learnable φ a layer, 0 at the
 * start, so both begin at 1 and always sum to 2 (method.md §2).
 */
import type { Tensor } from '@padnet/torch';

/** Which of the two factors are learnt; the others are 1. */
export const scaleModes = ['both', 'dynamic', 'static', 'none'] as const;
export type ScaleMode = (typeof scaleModes)[number];

/** A scalar tensor, or null for the constant 1. */
export interface ScaleFactors {
  readonly dynamic: Tensor | null;
  readonly static: Tensor | null;
}

/** @param phi φ, a scalar; null only with mode `none` */
export function scaleFactors(phi: Tensor | null, mode: ScaleMode): ScaleFactors {
  if (phi === null || mode === 'none') return { dynamic: null, static: null };
  const lambda = phi.sigmoid().mul(2);
  return {
    dynamic: mode === 'static' ? null : lambda,
    static: mode === 'dynamic' ? null : lambda.neg().add(2),
  };
}
