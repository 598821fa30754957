import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planSeconds, workKinds, type Rates } from './costModel.js';
import { fitRates } from './fitRates.js';

const none = Object.fromEntries(workKinds.map((kind) => [kind, 0])) as Rates;

describe('fitRates', () => {
  it('finds the rates that made the times, and 0 for what never occurs', () => {
    const rate = fc.double({ min: 0.1, max: 10, noNaN: true });
    const amount = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(
        fc.record({ call: rate, convolve: rate, move: fc.oneof(rate, fc.constant(0)) }),
        fc.array(fc.record({ call: amount, convolve: amount, move: amount }), { maxLength: 20 }),
        (given, mixed) => {
          // Rates are as far apart as an operator's call and a multiply-accumulate.
          const rates: Rates = { ...none, call: given.call * 1e-6, convolve: given.convolve * 1e-12, move: given.move };
          const alone = [
            { call: 1, convolve: 0, move: 0 },
            { call: 1, convolve: 1, move: 0 },
            { call: 1, convolve: 0, move: 1 },
          ];
          const timings = [...alone, ...mixed].map(({ call, convolve, move }) => {
            const work = { call: 1 + 9 * call, convolve: 1e7 * convolve, move: 1e-5 * move };
            return { work, seconds: planSeconds(work, rates) };
          });
          const found = fitRates(timings);
          for (const kind of workKinds) {
            if (rates[kind] > 0) expect(found[kind] / rates[kind]).toBeCloseTo(1, 4);
            else expect(found[kind]).toBeCloseTo(0, 6);
          }
          expect(found.pack).toBe(0);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('has no negative rate: the others are the best without it', () => {
    // A second kind that gives time back is left out: (a / 2 − 1)² + (a − 1)² is least at a = 1.2.
    const rates = fitRates([
      { work: { call: 1 }, seconds: 2 },
      { work: { call: 1, move: 1 }, seconds: 1 },
    ]);
    expect(rates.move).toBe(0);
    expect(rates.call).toBeCloseTo(1.2, 6);
  });

  it('minds relative errors, so that short times count as much as long ones', () => {
    const rates = fitRates([
      { work: { call: 1 }, seconds: 1 },
      { work: { call: 1000 }, seconds: 3000 },
    ]);
    // (r − 1)² + (r / 3 − 1)² is least at 1.2; of absolute errors it would be 3.
    expect(rates.call).toBeCloseTo(1.2, 6);
  });
});
