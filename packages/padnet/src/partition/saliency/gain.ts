/**
 * What an entry would gain by being dynamic (method.md §3). Let all entries be static, and G_kj be the gradient of the
 * loss of all batches by what kernel k would add to entry j. A step of −η G_j on its one number, G_j = Σ_k G_kj, takes
 * η G_j² from the loss. K numbers that are free to differ, kernel k with the step η / p_k since it is p_k of the
 * mixture, take η Σ_k G_kj² / p_k. The difference is how much the kernels disagree:
 *
 *     s_j = Σ_k G_kj² / p_k − G_j² = Σ_k p_k (G_kj / p_k − G_j)²,   p_k = E|α_k| / Σ_l E|α_l|
 *
 * G_k / p_k is the mean gradient on the inputs that kernel k is used for. Under equal use s_j is K² times the variance
 * of G_kj over k; it is 0 where every input gets the same coefficients. Masks do not matter, so that all rounds give
 * the same scores: of an entry that was dynamic for long the gradients say what it could gain further, which is little.
 */
import { grad } from '@padnet/torch';
import { scoreByCoefficients } from './coefficientSums.js';
import type { Saliency } from './saliency.js';
import { byUse, scoreTotals, sumOverBatches, varianceByUse, whileStatic, withBankVariables } from './scoring.js';

export const gain: Saliency = {
  name: 'gain',
  score: (context) =>
    whileStatic(context.sources, () => {
      const { sources } = context;
      return scoreByCoefficients(
        context,
        () =>
          sumOverBatches(
            context,
            ({ bank }) => bank.shape,
            (batchLoss) => withBankVariables(sources, (banks) => grad(batchLoss(), banks)),
          ),
        (sums, gradients) =>
          scoreTotals(gradients, sources, (gradient, source) => {
            const use = sums.get(source)!.use();
            return varianceByUse(byUse(gradient, use), use);
          }),
      );
    }),
};
