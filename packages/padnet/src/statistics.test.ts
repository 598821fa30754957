import { describe, expect, it } from 'vitest';
import { mean, meanDeviation, meanInterval, median, quantile } from './statistics.js';

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

it('gives Student’s 95 % interval of the mean', () => {
  expect(meanInterval([])).toBeNull();
  expect(meanInterval([3])).toMatchObject({ mean: 3, interval: null });
  // 7/3 ∓ 4.302653 · √(7/3) / √3
  const [low, high] = meanInterval([1, 2, 4])!.interval!;
  expect([low, high]).toEqual([expect.closeTo(-1.46125, 5), expect.closeTo(6.127917, 5)]);
  // As tables of Student's t have it for n − 1 degrees of freedom.
  for (const [n, quantileOf] of [
    [10, 2.262157],
    [11, 2.228139],
    [31, 2.042272],
    [100, 1.984217],
  ] as const) {
    const { mean: centre, deviation, interval } = meanInterval(Array.from({ length: n }, (_, index) => index))!;
    expect(((interval![1] - centre) * Math.sqrt(n)) / deviation!).toBeCloseTo(quantileOf, 3);
  }
});
