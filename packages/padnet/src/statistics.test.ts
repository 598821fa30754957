import { describe, expect, it } from 'vitest';
import { mean, meanDeviation, median, quantile } from './statistics.js';

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

it('gives mean and deviation of the sample', () => {
  expect(meanDeviation([2, 4, 4, 4, 5, 5, 7, 9])).toEqual({ mean: 5, deviation: Math.sqrt(32 / 7), count: 8 });
  expect(meanDeviation([3, 3])).toEqual({ mean: 3, deviation: 0, count: 2 });
});

it('knows no deviation of one value, and nothing of none', () => {
  expect(meanDeviation([0.5])).toEqual({ mean: 0.5, deviation: null, count: 1 });
  expect(meanDeviation([])).toBeNull();
});
