import { getNumThreads } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { benchMoE, type MoEBenchOptions, type MoECost } from './moe.js';

const small: Omit<MoEBenchOptions, 'layers'> = {
  tokens: 64,
  inFeatures: 128,
  outFeatures: 256,
  numExperts: 8,
  k: 2,
  ratio: 0.5,
  repeats: 2,
  threads: 1,
};

describe('benchMoE', () => {
  it('measures each layer, and its own memory only', () => {
    const threads = getNumThreads();
    const { results, peaks } = benchMoE({ ...small, layers: ['dense', 'moe', 'pad', 'pad-neuron'] });
    expect(getNumThreads()).toBe(threads);
    expect(results.map(({ layer }) => layer)).toEqual(['dense', 'moe', 'pad', 'pad-neuron']);
    const [dense, moe, pad, byNeuron] = results as [MoECost, MoECost, MoECost, MoECost];
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
    for (const partial of [pad, byNeuron])
      expect(partial.peakMemoryBytes).toBeLessThan(moe.peakMemoryBytes + 7 * weight);
    expect(dense.parameters).toBe(128 * 256 + 256);
    // Experts with their biases, gates and noise of the router; of pad about half of each, one static and two scale factors' φ.
    expect(moe.parameters).toBe(8 * (128 * 256 + 256) + 2 * 128 * 8);
    for (const partial of [pad, byNeuron]) expect(partial.parameters / (0.5 * 128 * 256 * (8 + 1))).toBeCloseTo(1, 0);
    const flops = 3 * 2 * 64 * 128 * 256;
    expect(dense.gigaflops).toBeCloseTo(flops / dense.stepSeconds / 1e9, 6);
    expect(moe.gigaflops).toBeCloseTo((2 * flops) / moe.stepSeconds / 1e9, 6);
    expect((pad.gigaflops * pad.stepSeconds * 1e9) / flops).toBeCloseTo(1.5, 1);
    expect(peaks.flopsPerSecond).toBeGreaterThan(0);
  });

  it('measures what is asked for, without a ratio to what is not', () => {
    const { results } = benchMoE({ ...small, layers: ['pad-neuron'] });
    expect(results).toMatchObject([{ layer: 'pad-neuron', ratioToDense: null }]);
  });
});
