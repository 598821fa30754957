import type { Saliency } from './saliency.js';
import { scoreEach } from './scoring.js';

/** For comparison (method.md §3): |Θ|, mean over the bank. */
export const magnitude: Saliency = {
  name: 'magnitude',
  score: ({ sources }) => Promise.resolve(scoreEach(sources, ({ bank }) => bank.abs().mean([0]))),
};
