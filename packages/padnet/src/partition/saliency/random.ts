import { Generator, ops } from '@padnet/torch';
import type { Saliency } from './saliency.js';
import { scoreEach } from './scoring.js';

/** For comparison (method.md §3): uniform random numbers, the same for the same seed on every device. */
export const random: Saliency = {
  name: 'random',
  score({ sources, seed }) {
    const generator = new Generator(seed);
    return Promise.resolve(
      scoreEach(sources, ({ bank: { dtype, device }, shape }) => ops.rand(shape, { generator, dtype }).to(device)),
    );
  },
  /** Of units too: a sum over many entries would say how many they are. */
  ofUnits(layers, { seed }) {
    const generator = new Generator(seed);
    return layers.map(({ scores: { numel, dtype, device } }) => ops.rand([numel], { generator, dtype }).to(device));
  },
};
