import { nn } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import {
  dynamicFiltersWork,
  staticWork,
  fusedWork,
  isDepthwise,
  perKernelWork,
  perSampleWork,
  planSeconds,
  staticFiltersWork,
  sumOfWork,
  type ConvolutionWork,
} from './costModel.js';
import { defaultRates } from './planRates.js';

/**
 * n = 6 · 4 · 9 = 216 entries a kernel, 2 · 25 · n = 10,800 multiply-accumulates, 2 · 4 · 25 = 200 numbers in and
 * 2 · 6 · 25 = 300 out; two of the six filters are static.
 */
const partial: ConvolutionWork = {
  geometry: nn.conv2dGeometry({ inChannels: 4, outChannels: 6, kernelSize: 3, padding: 1 }),
  batch: 2,
  inPositions: 25,
  positions: 25,
  numKernels: 3,
  dynamicEntries: 144,
  staticFilters: 2,
  isCompact: true,
};
const dynamic: ConvolutionWork = { ...partial, dynamicEntries: 216, staticFilters: 0, isCompact: false };

describe('the work of a convolution', () => {
  it('is that of a static one', () => {
    expect(staticWork(partial)).toEqual({ call: 1, convolve: 10_800, pack: 216, move: 500 });
  });

  it('is, fused, mixing of the dynamic filters and one multiplication of all', () => {
    expect(fusedWork(partial)).toEqual({
      call: 1,
      fuse: 10_800,
      accumulate: 300,
      mix: 2 * 3 * 144,
      order: 2 * 216,
      expand: 2 * 216,
      move: 3 * 200 + 300 + 2 * 300,
    });
    expect(fusedWork(dynamic)).toMatchObject({ mix: 2 * 3 * 216, expand: 0, move: 3 * 200 + 300 });
  });

  it('brings into order as many kernels as there are samples, at most the bank', () => {
    expect(fusedWork({ ...dynamic, batch: 1 }).order).toBe(216);
    expect(fusedWork({ ...dynamic, batch: 100 }).order).toBe(3 * 216);
  });

  it('adds up the output once for each 64 input channels of a group', () => {
    const accumulated = (inChannels: number, groups: number): number | undefined =>
      fusedWork({ ...dynamic, geometry: { ...dynamic.geometry, inChannels, groups } }).accumulate;
    expect(accumulated(64, 1)).toBe(300);
    expect(accumulated(65, 1)).toBe(600);
    expect(accumulated(128, 2)).toBe(300);
  });

  it('is counted by filters where it is depth-wise', () => {
    const geometry = nn.conv2dGeometry({ inChannels: 6, outChannels: 6, kernelSize: 3, padding: 1, groups: 6 });
    expect(isDepthwise(geometry)).toBe(true);
    expect(fusedWork({ ...dynamic, geometry })).toEqual({ call: 1, filter: 2 * 6, move: 3 * 300 + 300 });
    expect(fusedWork({ ...partial, geometry }).filter).toBe(4 * 2 * 6);
    expect(isDepthwise({ ...geometry, outChannels: 12 })).toBe(false);
    expect(isDepthwise({ ...geometry, groups: 1 })).toBe(false);
    expect(isDepthwise(nn.conv2dGeometry({ inChannels: 1, outChannels: 1, kernelSize: 3 }))).toBe(false);
  });

  it('is, by sample, mixing and packing a kernel each', () => {
    const scattered = { call: 4, convolve: 10_800, bank: 3 * 216, pack: 2 * 216, scatter: 3 * 216, move: 3 * 500 };
    expect(perSampleWork(partial)).toEqual(scattered);
    expect(perSampleWork(dynamic)).toEqual({ ...scattered, scatter: 0 });
    expect(perSampleWork({ ...dynamic, batch: 1 })).toMatchObject({ convolve: 5400, pack: 216, move: 250 });
  });

  it('is a matrix product, by sample, for several samples and a 1×1 kernel without padding', () => {
    const pointwise = (padding: number, batch: number): ConvolutionWork => ({
      ...dynamic,
      batch,
      geometry: nn.conv2dGeometry({ inChannels: 4, outChannels: 6, kernelSize: 1, padding }),
    });
    expect(perSampleWork(pointwise(0, 2))).toMatchObject({ multiply: 2 * 25 * 24, move: 500 });
    expect(perSampleWork(pointwise(0, 2))).not.toHaveProperty('convolve');
    expect(perSampleWork(pointwise(0, 1))).toMatchObject({ convolve: 25 * 24, move: 250 });
    expect(perSampleWork(pointwise(1, 2))).not.toHaveProperty('multiply');
  });

  it('is, by kernel, K times the input and the arithmetic', () => {
    expect(perKernelWork(partial)).toEqual({
      call: 4,
      convolve: 3 * 10_800,
      pack: 3 * 216,
      scatter: 3 * 216,
      move: 7 * 200 + 300,
    });
  });

  it('is, structured, that of static and of dynamic filters', () => {
    // 2 filters: 72 entries, 3600 multiply-accumulates, 100 numbers out.
    expect(staticFiltersWork(partial)).toEqual({ call: 4, convolve: 3600, pack: 2 * 72, move: 200 + 100 + 3 * 300 });
    const moving = dynamicFiltersWork(partial);
    expect(moving).toMatchObject({ staticFilters: 0, isCompact: false, dynamicEntries: 144 });
    expect(moving.geometry.outChannels).toBe(4);
    expect(fusedWork(moving)).toMatchObject({ fuse: 7200, mix: 2 * 3 * 144, order: 2 * 144, expand: 0 });
  });
});

describe('planSeconds', () => {
  it('is Σ work · rate, of what occurs', () => {
    const rates = { ...defaultRates.portable.inference, call: 2, move: 0.5 };
    expect(planSeconds({ call: 3, move: 4 }, rates)).toBe(8);
    expect(planSeconds({}, rates)).toBe(0);
    expect(planSeconds(sumOfWork({ call: 1, move: 4 }, { call: 2 }), rates)).toBe(8);
  });
});
