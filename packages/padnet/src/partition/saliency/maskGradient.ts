import { grad } from '@padnet/torch';
import type { Saliency } from './saliency.js';
import { sumOverBatches, withMaskVariables } from './scoring.js';

/** The paper's score (method.md §3): ∂L/∂M at the current mask, summed over the batches. */
export const maskGradient: Saliency = {
  name: 'maskGradient',
  score: (context) =>
    sumOverBatches(
      context,
      ({ shape }) => shape,
      (batchLoss) => withMaskVariables(context.sources, (masks) => grad(batchLoss(), masks)),
    ),
};
