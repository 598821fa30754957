/**
 * SNIP (Lee et al. 2019, arXiv 1810.02340; method.md §3): how much the loss moves when a parameter is taken away, g·θ
 * to first order. Of a bank the terms of all its entries are summed, since one bit of the mask decides about all K:
 *
 *     s_j = Σ_k Θ_kj · ∂L/∂Φ_kj   at Φ = M ⊙ Θ
 *
 * Where j is dynamic that is the gradient of the bank times the bank. A static entry has no such gradient; what it is
 * scored by is what it would add to its static value if it came back (as in FORCE, de Jorge et al. 2021, arXiv
 * 2006.09081), so that it can return in a later round. `maskGradient` is this minus the same term of the static weight:
 * ∂L/∂M_j = s_j − Θ_sj · ∂L/∂Θ_sj, the second gradient again as if j was static. So SNIP asks what the loss loses with
 * the entry, maskGradient what it loses with its being dynamic, and only the latter knows that something takes its
 * place.
 */
import { grad } from '@padnet/torch';
import type { Saliency } from './saliency.js';
import { sumOverBatches, timesBank, withBankVariables } from './scoring.js';

export const snip: Saliency = {
  name: 'snip',
  score: (context) =>
    sumOverBatches(
      context,
      ({ shape }) => shape,
      (batchLoss) => {
        const gradients = withBankVariables(context.sources, (banks) => grad(batchLoss(), banks));
        return timesBank(context.sources, gradients);
      },
    ),
};
