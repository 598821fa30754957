import { getNumThreads } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { benchMoE } from './moe.js';

describe('benchMoE', () => {
  it('measures each layer, and its own memory only', () => {
    const threads = getNumThreads();
    const results = benchMoE({
      tokens: 64,
      inFeatures: 128,
      outFeatures: 256,
      numExperts: 8,
      k: 2,
      ratio: 0.5,
      granularity: 'entry',
      repeats: 2,
      threads: 1,
    });
    expect(getNumThreads()).toBe(threads);
    expect(results.map(({ layer }) => layer)).toEqual(['dense', 'moe', 'pad']);
    const [dense, moe, pad] = results as [(typeof results)[0], (typeof results)[0], (typeof results)[0]];
    expect(dense.ratioToDense).toBe(1);
    expect(moe.stepSeconds).toBeGreaterThan(0);
    const weight = 128 * 256 * 4;
    const tokens = 64 * (128 + 256) * 4;
    // weights and gradients, input and output with theirs
    expect(dense.peakMemoryBytes).toBeGreaterThan(2 * weight + 2 * tokens);
    expect(dense.peakMemoryBytes).toBeLessThan(2.1 * weight + 2 * tokens);
    // the bank and its gradient, what two experts of a token need, and the blocks that a thread works on
    const blocks = 2 ** 20;
    expect(moe.peakMemoryBytes).toBeGreaterThan(16 * weight + 2 * tokens);
    expect(moe.peakMemoryBytes).toBeLessThan(17 * weight + 4 * tokens + blocks);
    expect(pad.peakMemoryBytes).toBeLessThan(moe.peakMemoryBytes + 7 * weight);
  });
});
