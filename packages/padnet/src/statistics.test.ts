import { describe, expect, it } from 'vitest';
import { mean, median, quantile } from './statistics.js';

describe('mean, median, quantile', () => {
  it('do not mind the order', () => {
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(quantile([10, 0], 0.25)).toBe(2.5);
    expect(mean([4, 1, 1])).toBe(2);
    expect(mean(Float32Array.of(0.5, 1))).toBe(0.75);
  });

  it('are no number where there is none', () => {
    expect([mean([]), median([]), quantile([], 0.1)]).toEqual([NaN, NaN, NaN]);
  });
});
