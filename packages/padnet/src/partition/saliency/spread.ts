/**
 * How much the entries of a bank differ, each weighed by its use (method.md §3): what is the same in every kernel that
 * is used might as well be static.
 *
 *     s_j = λ_d² · Σ_k p_k (Θ_kj − Θ̄_j)²,   Θ̄_j = Σ_k p_k Θ_kj,   p_k = E|α_k| / Σ_l E|α_l|
 *
 * Θ̄ is the static weight that `meanIntoStatic` by use gives, so that Σ_j s_j is the mean squared change of a weight
 * when its entries become static. Of one expert a token that is `variance`; of soft coefficients it says how different
 * kernels are, not how much of that difference the router lets through. E is over the partition set.
 */
import { scoreBanks } from './coefficientSums.js';
import type { Saliency } from './saliency.js';
import { varianceByUse } from './scoring.js';

export const spread: Saliency = {
  name: 'spread',
  score: (context) => scoreBanks(context, (bank, sums) => varianceByUse(bank, sums.use())),
};
