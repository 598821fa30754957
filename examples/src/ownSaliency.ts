/**
 * A score of one's own for what stays dynamic: Σ_k ∂L/∂Θ_k · Θ_k, the change of the loss if an entry's bank were zero,
 * to first order. Iterative Mode Partition takes its absolute value. A recipe names the file as `partition.saliency`; a
 * program imports it (`ownCode.ts`).
 */
import { setImmediate } from 'node:timers/promises';
import { grad, noGrad, scope, zeros } from '@padnet/torch';
import type { Saliency } from 'padnet';

const gradientTimesWeight: Saliency = {
  name: 'gradientTimesWeight',
  async score({ sources, batchLosses }) {
    const scores = new Map(Array.from(sources, ([path, { shape }]) => [path, zeros(shape).keep()]));
    const banks = Array.from(sources.values(), ({ bank }) => bank);
    for (const batchLoss of batchLosses) {
      await setImmediate(); // leave a turn to others
      scope(() => {
        const gradients = grad(batchLoss(), banks);
        noGrad(() => {
          for (const [i, score] of [...scores.values()].entries()) score.add_(gradients[i]!.mul(banks[i]!).sum([0]));
        });
      });
    }
    return scores;
  },
};
export default gradientTimesWeight;
