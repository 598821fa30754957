import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { sampleOrder } from './sampleOrder.js';

describe('sampleOrder', () => {
  it('is a permutation, the same one each time', () => {
    fc.assert(
      fc.property(fc.nat(300), fc.nat(), fc.nat(1000), (length, seed, epoch) => {
        const order = sampleOrder({ length, seed, epoch, shuffle: true });
        expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length }, (_, i) => i));
        expect(sampleOrder({ length, seed, epoch, shuffle: true })).toEqual(order);
      }),
    );
  });

  it('keeps the stored order without shuffle', () => {
    expect([...sampleOrder({ length: 4, seed: 1, epoch: 9, shuffle: false })]).toEqual([0, 1, 2, 3]);
  });

  it('never changes: stored runs resume by these numbers', () => {
    expect([...sampleOrder({ length: 8, seed: 7, epoch: 0, shuffle: true })]).toEqual([7, 6, 5, 4, 2, 0, 1, 3]);
    expect([...sampleOrder({ length: 8, seed: 7, epoch: 1, shuffle: true })]).toEqual([1, 4, 2, 5, 7, 3, 0, 6]);
  });

  it('draws each permutation of four equally often', () => {
    const counts = new Map<string, number>();
    const draws = 12_000;
    for (let epoch = 0; epoch < draws; epoch++) {
      const order = sampleOrder({ length: 4, seed: 0, epoch, shuffle: true }).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    const expected = draws / 24;
    const chiSquared = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    expect(counts.size).toBe(24);
    expect(chiSquared).toBeLessThan(55); // 99.98 % of chi-squared with 23 degrees of freedom
  });
});
