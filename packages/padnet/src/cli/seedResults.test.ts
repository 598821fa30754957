import { expect, it } from 'vitest';
import { describeSeeds, summariseSeeds } from './seedResults.js';

it('gives mean and deviation of every metric', () => {
  const summary = summariseSeeds([
    { seed: 1, run: 'a', testMetrics: { f1: 0.8, matthews: 0.25 } },
    { seed: 2, run: 'b', testMetrics: { f1: 0.84, matthews: 0.35 } },
  ]);
  expect(summary.type).toBe('seeds');
  expect(summary.test.f1!.mean).toBeCloseTo(0.82, 12);
  expect(summary.test.f1!.deviation).toBeCloseTo(Math.SQRT2 * 0.02, 12);
  expect(describeSeeds(summary)).toBe('2 seeds: test F1 82.00 ± 2.83 %, Matthews correlation 30.00 ± 7.07');
});

it('has no deviation of one seed', () => {
  const summary = summariseSeeds([{ seed: 4, run: 'a', testMetrics: { accuracy: 0.5 } }]);
  expect(summary.test.accuracy).toEqual({ mean: 0.5, deviation: null, count: 1 });
  expect(describeSeeds(summary)).toBe('1 seed: test accuracy 50.00 %');
});
