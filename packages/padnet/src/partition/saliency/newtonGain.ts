/**
 * `gain` by steps of Newton's kind instead of one step size for all (method.md §3): each entry is moved by its own
 * curvature, for which stands the sum of squared gradients over the batches b (the empirical Fisher information), and
 * p_k of it for kernel k:
 *
 *     s_j = Σ_k p_k (G_kj / p_k − G_j)² / h_j,   G_kj = Σ_b g_bkj,   h_j = Σ_b Σ_k g_bkj² / p_k
 *
 * A layer whose weights are scaled, as batch norm allows, keeps its scores; those of `gain` would be divided by the
 * square. By Cauchy's inequality s_j is from 0 to the number of batches: it says how steadily over the batches the
 * kernels want different things. Of noise alone it is (K − 1) / K on average.
 */
import { grad, noGrad, ops } from '@padnet/torch';
import { scoreByCoefficients } from './coefficientSums.js';
import type { Saliency } from './saliency.js';
import { byUse, scoreTotals, sumOverBatches, varianceByUse, whileStatic, withBankVariables } from './scoring.js';

export const newtonGain: Saliency = {
  name: 'newtonGain',
  score: (context) =>
    whileStatic(context.sources, () => {
      const { sources } = context;
      return scoreByCoefficients(
        context,
        () =>
          sumOverBatches(
            context,
            ({ bank }) => [2, ...bank.shape],
            (batchLoss) => {
              const gradients = withBankVariables(sources, (banks) => grad(batchLoss(), banks));
              return noGrad(() => gradients.map((gradient) => ops.stack([gradient, gradient.square()])));
            },
          ),
        (sums, totals) =>
          scoreTotals(totals, sources, (total, source) => {
            const use = sums.get(source)!.use();
            const [gradient, squares] = total.unbind();
            const curvature = byUse(squares!, use).sum([0]);
            const difference = varianceByUse(byUse(gradient!, use), use);
            return ops.where(curvature.gt(0), difference.div(curvature), ops.zerosLike(curvature));
          }),
      );
    }),
};
