/**
 * For comparison (method.md §3): as many dynamic entries in every layer as `maskGradient` leaves it, but by lot which.
 * All rounds are those of `maskGradient`; in the last one the scores of each layer's units are shuffled before the
 * threshold is applied. (Of a layer with units of different sizes, those at the edges of blocks, about as many.)
 */
import { Generator, ops } from '@padnet/torch';
import { maskGradient, type Saliency } from './saliency.js';

export const shuffled: Saliency = {
  name: 'shuffled',
  score: (context) => maskGradient.score(context),
  ofUnits(layers, { seed, isLast }) {
    if (!isLast) return layers.map(({ scores }) => scores);
    const generator = new Generator(seed);
    return layers.map(({ scores }) => {
      const order = ops.randperm(scores.numel, { generator }).to(scores.device);
      return scores.indexSelect(0, order);
    });
  },
};
