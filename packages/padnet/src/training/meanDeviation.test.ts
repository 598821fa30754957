import { expect, it } from 'vitest';
import { meanDeviation } from './meanDeviation.js';

it('gives mean and deviation of the sample', () => {
  expect(meanDeviation([2, 4, 4, 4, 5, 5, 7, 9])).toEqual({ mean: 5, deviation: Math.sqrt(32 / 7), count: 8 });
  expect(meanDeviation([3, 3])).toEqual({ mean: 3, deviation: 0, count: 2 });
});

it('knows no deviation of one value, and nothing of none', () => {
  expect(meanDeviation([0.5])).toEqual({ mean: 0.5, deviation: null, count: 1 });
  expect(meanDeviation([])).toBeNull();
});
