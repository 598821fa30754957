import { nn } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { convolutionPlans, type ConvolutionPlan } from '../compute/index.js';
import { benchLayer, type LayerBenchOptions } from './layer.js';

const small: LayerBenchOptions = {
  geometry: nn.conv2dGeometry({ inChannels: 4, outChannels: 8, kernelSize: 3, padding: 1, stride: 2 }),
  size: 7,
  batch: 2,
  numKernels: 3,
  ratio: 0.5,
  layers: ['static', 'dyconv', 'pad', 'pad-filter'],
  plans: convolutionPlans,
  memoryFormat: 'channels_last',
  repeats: 2,
  threads: 1,
  peaks: { flopsPerSecond: 1e11, bytesPerSecond: 1e10 },
};

/** The plans that were measured, by layer. */
function plansOf(options: LayerBenchOptions): Record<string, (ConvolutionPlan | null)[]> {
  const found: Record<string, (ConvolutionPlan | null)[]> = {};
  for (const { layer, plan } of benchLayer(options).results) (found[layer] ??= []).push(plan);
  return found;
}

describe('benchLayer', () => {
  it('measures the plans that a layer has', () => {
    const mixing = ['fused', 'perSample', 'perKernel'];
    expect(plansOf(small)).toEqual({
      static: [null],
      dyconv: mixing,
      pad: mixing,
      'pad-filter': [...mixing, 'structured'],
    });
    expect(plansOf({ ...small, ratio: 0, layers: ['pad'] })).toEqual({ pad: [...mixing, 'static'] });
    expect(plansOf({ ...small, layers: ['dyconv', 'pad-filter'], plans: ['structured', 'fused'] })).toEqual({
      dyconv: ['fused'],
      'pad-filter': ['structured', 'fused'],
    });
    const geometry = nn.conv2dGeometry({ inChannels: 4, outChannels: 4, kernelSize: 3, groups: 4 });
    expect(plansOf({ ...small, geometry, layers: ['pad-filter'] })).toEqual({ 'pad-filter': ['fused', 'perSample'] });
  });

  it('measures a partial layer with one mask, whatever the plan', () => {
    const stored = benchLayer({ ...small, layers: ['pad'] }).results.map(({ parameters }) => parameters);
    expect(new Set(stored).size).toBe(1);
    // About half of 288 entries three times, the others once, and φ.
    expect(stored[0]! / 288).toBeGreaterThan(1.6);
    expect(stored[0]! / 288).toBeLessThan(2.4);
  });

  it('has ratios to a static layer where one is measured', () => {
    const ratios = benchLayer({ ...small, plans: ['fused'] }).results.map(({ forward }) => forward.ratioToStatic);
    expect(ratios[0]).toBe(1);
    expect(ratios.every((ratio) => ratio! > 0)).toBe(true);
    const alone = benchLayer({ ...small, layers: ['dyconv'], plans: ['fused'] }).results;
    expect(alone).toMatchObject([{ forward: { ratioToStatic: null }, forwardBackward: { ratioToStatic: null } }]);
  });

  it('says how near each is to the roof: the work of the static layer, at the peaks that are given', () => {
    const { results, peaks } = benchLayer({ ...small, layers: ['static'] });
    expect(peaks).toBe(small.peaks);
    const { forward } = results[0]!;
    // [2, 4, 7, 7] → [2, 8, 4, 4], 4 · 9 multiply-accumulates each; the weight has 288 numbers.
    const flops = 2 * 2 * 8 * 16 * 36;
    const bytes = 4 * (2 * 4 * 49 + 2 * 8 * 16 + 288);
    expect(forward.gigaflops).toBeCloseTo(flops / forward.seconds / 1e9);
    expect(forward.bound).toBe('memory');
    expect(forward.share).toBeCloseTo(bytes / 1e10 / forward.seconds);
  });
});
