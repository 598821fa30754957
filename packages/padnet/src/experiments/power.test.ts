import { describe, expect, it } from 'vitest';
import type { PairedDifference } from './pairedDifference.js';
import { neededSeeds, pooledDeviation, powerOf, smallestEffect } from './power.js';

describe('powerOf', () => {
  it.each([
    // By scipy.stats.nct, 1.15: P(|t| > c) of noncentral t.
    [0.5, 34, 0.05, 0.8077775012792738],
    [0.5, 34, 0.01, 0.5765038584261406],
    [1.5, 8, 0.05 / 7, 0.6757522437140586],
    [9.5, 3, 0.05 / 20, 0.49263876623901526],
    [300, 2, 0.05 / 20, 0.9043018851688494],
    [0.1, 1000, 0.05, 0.8847890988907141],
    [0.02, 10_000, 0.05, 0.5159287307626849],
  ])('effect %d, %d seeds, α %d', (effect, seeds, alpha, expected) => {
    expect(powerOf(effect, seeds, alpha)).toBeCloseTo(expected, 4);
    expect(powerOf(-effect, seeds, alpha)).toBeCloseTo(expected, 4);
  });

  it('is α where there is nothing to see', () => {
    for (const seeds of [2, 3, 10]) expect(powerOf(0, seeds, 0.05)).toBeCloseTo(0.05, 5);
  });
});

describe('what a number of seeds shows', () => {
  // Cohen's tables and G*Power have 199, 34, 15, 10 and 5 pairs for these effects.
  it.each([
    [0.2, 199],
    [0.5, 34],
    [0.8, 15],
    [1, 10],
    [2, 5],
  ])('an effect of %d needs %d', (effect, seeds) => {
    expect(neededSeeds(effect)).toBe(seeds);
    expect(smallestEffect(seeds)).toBeLessThanOrEqual(effect);
    expect(smallestEffect(seeds - 1)).toBeGreaterThan(effect);
  });

  it('is the effect with 80 % power, and more of it is needed where many rows are read', () => {
    for (const [seeds, alpha] of [
      [2, 0.05],
      [3, 0.05 / 6],
      [8, 0.05],
    ] as const) {
      const effect = smallestEffect(seeds, alpha)!;
      expect(powerOf(effect, seeds, alpha)).toBeCloseTo(0.8, 5);
      expect(smallestEffect(seeds, alpha / 2)).toBeGreaterThan(effect);
    }
    expect(neededSeeds(0.5, 0.05 / 6)).toBeGreaterThan(34);
  });

  it('has an end: one seed shows nothing, and more than 10,000 nobody trains', () => {
    expect(smallestEffect(1)).toBeNull();
    expect(neededSeeds(0.02)).toBeNull();
    expect(neededSeeds(0.03)).toBeLessThanOrEqual(10_000);
  });
});

it('pools deviations by their degrees of freedom', () => {
  const difference = (deviation: number | null, count: number): PairedDifference => ({
    mean: 1,
    deviation,
    count,
    interval: null,
    p: null,
    correctedP: null,
  });
  expect(pooledDeviation([difference(1, 2), difference(null, 1), difference(2, 4)])).toEqual({
    deviation: Math.sqrt((1 + 3 * 4) / 4),
    differences: 2,
    freedom: 4,
  });
  expect(pooledDeviation([difference(null, 1)])).toBeNull();
  expect(pooledDeviation([difference(0, 2), difference(0, 3)])).toBeNull();
  expect(pooledDeviation([])).toBeNull();
});
