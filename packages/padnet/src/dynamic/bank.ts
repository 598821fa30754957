/** κ = 1: a bank of K tensors of one shape, mixed by the coefficients: θ(x) = Σ_k α_k(x) Θ_k (method.md §1). */
import { nn, ops, type Tensor } from '@padnet/torch';
import type { EffectiveParameter, Source } from './parameterSource.js';

export class Bank extends nn.Module implements Source {
  readonly kind = 'dynamic';
  readonly dynamicRatio = 1;
  /** Θ [K, …shape] */
  readonly bank: nn.Parameter;

  /** @param bank [K, …shape]; its memory is shared */
  constructor(bank: Tensor) {
    super();
    this.bank = new nn.Parameter(bank);
  }

  get shape(): readonly number[] {
    return this.bank.shape.slice(1);
  }

  get numKernels(): number {
    return this.bank.shape[0]!;
  }

  effective(): EffectiveParameter {
    return { bank: this.bank, scale: null, constant: null };
  }

  compact(): null {
    return null;
  }
}

/**
 * θ(x) = scale · Σ_k α_k(x) bank_k + constant: coefficients [batch, K] → [batch, …shape].
 *
 * @param spatial on the mixture, before the constant: of a shape that broadcasts to it
 */
export function mixParameter(
  coefficients: Tensor,
  { bank, scale, constant }: EffectiveParameter,
  spatial: Tensor | null = null,
): Tensor {
  if (bank === null) return constant!.expand([coefficients.shape[0]!, ...constant!.shape]);
  const mixed = mixBank(scale ? coefficients.mul(scale) : coefficients, bank);
  const weighed = spatial ? mixed.mul(spatial) : mixed;
  return constant ? weighed.add(constant) : weighed;
}

/** Σ_k α_k bank_k: coefficients [batch, K], bank [K, …shape] → [batch, …shape]. */
export function mixBank(coefficients: Tensor, bank: Tensor): Tensor {
  const [numKernels = 0, ...shape] = bank.shape;
  const [batch = 0] = coefficients.shape;
  return ops.matmul(coefficients, bank.reshape([numKernels, -1])).reshape([batch, ...shape]);
}
