/**
 * How much the effective parameter differs from input to input (method.md §3): what stays the same for every input
 * might as well be static.
 *
 *     s_j = Var_x(λ_d · Σ_k α_k(x) Θ_kj) = λ_d² · Θ_jᵀ Cov(α) Θ_j,   Θ_j = (Θ_1j, …, Θ_Kj)
 *
 * Only the K × K covariance of the coefficients is summed up, no parameter is formed for an input. They are those of
 * the partition set at the current mask: one vector a picture, and the gates of one token (sentence, task) in a mixture
 * of experts, 0 where an expert is not chosen. Says nothing of the loss, nor of ODConv's other attentions.
 */
import { ops } from '@padnet/torch';
import { scoreBanks } from './coefficientSums.js';
import type { Saliency } from './saliency.js';

export const variance: Saliency = {
  name: 'variance',
  score: (context) =>
    scoreBanks(context, (bank, sums) => {
      const [numKernels, ...shape] = bank.shape as [number, ...number[]];
      const rows = bank.reshape([numKernels, -1]);
      const covariance = sums.covariance().to(bank.dtype);
      return rows.mul(ops.matmul(covariance, rows)).sum([0]).reshape(shape);
    }),
};
