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
import { noGrad, ops } from '@padnet/torch';
import { scaleFactors } from '../../partial/index.js';
import { scoreByCoefficients } from './coefficientSums.js';
import type { Saliency } from './saliency.js';
import { forEachBatch, scoreEach } from './scoring.js';

export const variance: Saliency = {
  name: 'variance',
  score: (context) =>
    scoreByCoefficients(
      context,
      () => forEachBatch(context, noGrad),
      (sums) =>
        scoreEach(context.sources, (source) => {
          const { bank, numKernels, shape, phi, scaleMode } = source;
          const { dynamic: scale } = scaleFactors(phi, scaleMode);
          const scaled = (scale ? bank.mul(scale) : bank).reshape([numKernels, -1]);
          const covariance = sums.get(source)!.covariance().to(bank.dtype);
          return scaled.mul(ops.matmul(covariance, scaled)).sum([0]).reshape(shape);
        }),
    ),
};
