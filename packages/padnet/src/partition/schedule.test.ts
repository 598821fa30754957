import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keepRatio, schedules } from './schedule.js';

describe('keepRatio', () => {
  it('is κ^(t/T) or 1 − (1 − κ)·t/T', () => {
    expect([1, 2].map((round) => keepRatio(0.25, round, 2, 'exponential'))).toEqual([0.5, 0.25]);
    expect([1, 2].map((round) => keepRatio(0.25, round, 2, 'linear'))).toEqual([0.625, 0.25]);
  });

  it('never rises, and ends at κ', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer({ min: 1, max: 20 }),
        fc.constantFrom(...schedules),
        (ratio, rounds, schedule) => {
          const ratios = Array.from({ length: rounds }, (_, t) => keepRatio(ratio, t + 1, rounds, schedule));
          ratios.forEach((value, t) => {
            expect(value).toBeLessThanOrEqual((ratios[t - 1] ?? 1) + 1e-12);
          });
          expect(ratios.at(-1)).toBeCloseTo(ratio, 12);
        },
      ),
    );
  });
});
