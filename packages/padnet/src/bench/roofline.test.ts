import { nn } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { convolutionWork, layerWork, medianPeaks, networkWork, roofline } from './roofline.js';

describe('roofline', () => {
  const peaks = { flopsPerSecond: 100e9, bytesPerSecond: 10e9 };

  it('is what takes longer at the peaks, over the measured time', () => {
    // 10 ms of arithmetic, 5 ms of memory.
    expect(roofline({ flops: 1e9, bytes: 50e6 }, peaks, 0.02)).toEqual({
      gigaflops: 50,
      bound: 'arithmetic',
      share: 0.5,
    });
    // 10 ms of arithmetic, 50 ms of memory: in a cache it can be faster.
    expect(roofline({ flops: 1e9, bytes: 500e6 }, peaks, 0.025)).toEqual({ gigaflops: 40, bound: 'memory', share: 2 });
  });

  it('takes the median of each peak', () => {
    const rates = [1, 2, 9].map((value) => ({ flopsPerSecond: value, bytesPerSecond: 10 - value }));
    expect(medianPeaks(rates)).toEqual({ flopsPerSecond: 2, bytesPerSecond: 8 });
  });
});

describe('the least work', () => {
  it('of a layer is three products and what they read and write', () => {
    const size = { macs: 1000, input: 10, output: 20, parameters: 7 };
    expect(layerWork(size, 'forward')).toEqual({ flops: 2000, bytes: 4 * (10 + 20 + 7) });
    expect(layerWork(size, 'forwardBackward')).toEqual({ flops: 6000, bytes: 4 * (3 * 10 + 2 * 20 + 3 * 7) });
  });

  it('of a convolution is that of the static one', () => {
    // [2, 4, 5, 5] → [2, 6, 3, 3]; each output number takes 2 channels of 3×3.
    const geometry = nn.conv2dGeometry({
      inChannels: 4,
      outChannels: 6,
      kernelSize: 3,
      stride: 2,
      padding: 1,
      groups: 2,
    });
    const output = 2 * 6 * 9;
    expect(convolutionWork(geometry, [2, 4, 5, 5], 99, 'forward')).toEqual({
      flops: 2 * output * 18,
      bytes: 4 * (200 + output + 99),
    });
    expect(convolutionWork(geometry, [2, 4, 5, 5], 99, 'forwardBackward').flops).toBe(6 * output * 18);
  });

  it('of a network leaves activations to the caches', () => {
    expect(networkWork(1000, 7, 'forward')).toEqual({ flops: 2000, bytes: 28 });
    // Read forward and backward, gradient written; the step reads it, its gradient and its momentum and writes two.
    expect(networkWork(1000, 7, 'step')).toEqual({ flops: 6000, bytes: 8 * 28 });
  });
});
