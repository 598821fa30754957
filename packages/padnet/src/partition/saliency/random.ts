import { Generator, ops } from '@padnet/torch';
import type { Saliency } from './saliency.js';
import { scoreEach } from './scoring.js';

/** For comparison: uniform random numbers, the same for the same seed. */
export const random: Saliency = {
  name: 'random',
  score({ sources, seed }) {
    const generator = new Generator(seed);
    return Promise.resolve(
      scoreEach(sources, ({ bank, shape }) => ops.rand(shape, { generator, dtype: bank.dtype, device: bank.device })),
    );
  },
};
