import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { NonFiniteError } from '../../errors.js';
import { accuracy, f1, macroF1, matthews, pearson, spearman } from './metrics.js';

const all = { accuracy, f1, macroF1, matthews, pearson, spearman };

const classes = fc.array(fc.tuple(fc.nat(1), fc.nat(1)), { minLength: 1, maxLength: 30 });
const scores = fc.array(fc.tuple(fc.integer({ min: -9, max: 9 }), fc.integer({ min: -9, max: 9 })), {
  minLength: 2,
  maxLength: 30,
});
const columns = (pairs: readonly (readonly [number, number])[]): [number[], number[]] => [
  pairs.map(([x]) => x),
  pairs.map(([, y]) => y),
];

describe('metrics', () => {
  it('agree with hand-counted cases', () => {
    const predictions = [1, 1, 1, 0, 0];
    const labels = [1, 1, 0, 1, 0]; // TP 2, FP 1, FN 1, TN 1
    expect(accuracy(predictions, labels)).toBe(0.6);
    expect(f1(predictions, labels)).toBe(4 / 6);
    expect(matthews(predictions, labels)).toBeCloseTo(1 / 6, 15);
    expect(pearson([1, 2, 3], [1, 3, 2])).toBeCloseTo(0.5, 15);
    expect(spearman([10, 20, 30, 40], [1, 2, 2, 9])).toBeCloseTo(4.5 / Math.sqrt(5 * 4.5), 15);
  });

  it('counts all classes for accuracy', () => {
    expect(accuracy([0, 1, 2, 2], Float32Array.of(0, 2, 2, 1))).toBe(0.5);
  });

  it('of three classes agree with scikit-learn', () => {
    const predictions = [0, 1, 2, 2, 1, 0, 0, 2];
    const labels = [0, 1, 2, 1, 1, 2, 0, 2];
    // sklearn.metrics 1.9: f1_score(…, average='macro'), matthews_corrcoef
    expect(macroF1(predictions, labels)).toBeCloseTo(0.7555555555555555, 14);
    expect(matthews(predictions, labels)).toBeCloseTo(0.6428571428571429, 14);
    // A class that is predicted and never right counts with 0.
    expect(macroF1([0, 0, 3], [0, 0, 1])).toBeCloseTo(1 / 3, 14);
    expect(matthews([0, 0, 3], [0, 0, 1])).toBeCloseTo(0.5, 14);
  });

  it('are 0 where undefined', () => {
    expect(macroF1([1, 1], [0, 0])).toBe(0);
    expect(f1([0, 0], [0, 0])).toBe(0);
    expect(matthews([1, 1], [0, 1])).toBe(0);
    expect(matthews([0, 1], [0, 0])).toBe(0);
    expect(pearson([0.1, 0.1, 0.1], [1, 2, 3])).toBe(0);
    expect(spearman([1, 2, 3], [5, 5, 5])).toBe(0);
    expect(spearman([4], [2])).toBe(0);
  });

  it("Matthews' correlation is Pearson's of two classes", () => {
    fc.assert(
      fc.property(classes, (pairs) => {
        const [predictions, labels] = columns(pairs);
        expect(matthews(predictions, labels)).toBeCloseTo(pearson(predictions, labels), 12);
      }),
    );
  });

  it('correlations are symmetric, within −1 … 1, and do not mind scale; ranks do not mind any growing function', () => {
    fc.assert(
      fc.property(scores, (pairs) => {
        const [x, y] = columns(pairs);
        const scaled = x.map((value) => 3 * value - 7);
        const cubed = x.map((value) => value ** 3);
        for (const correlation of [pearson, spearman]) {
          expect(Math.abs(correlation(x, y))).toBeLessThanOrEqual(1 + 1e-12);
          expect(correlation(y, x)).toBeCloseTo(correlation(x, y), 12);
          expect(correlation(scaled, y)).toBeCloseTo(correlation(x, y), 12);
        }
        expect(spearman(cubed, y)).toBeCloseTo(spearman(x, y), 12);
      }),
    );
  });

  it.each(Object.entries(all))('%s wants a prediction for each label, and finite ones', (_, metric) => {
    expect(() => metric([1], [1, 0])).toThrow('expected a prediction for each of 2 labels, got 1');
    expect(() => metric([], [])).toThrow('expected a prediction for each of 0 labels, got 0');
    expect(() => metric([0, NaN, 1], [0, 1, 1])).toThrow(NonFiniteError);
    expect(() => metric([0, NaN, 1], [0, 1, 1])).toThrow('prediction 2 of 3 is not finite: it is NaN');
    expect(() => metric([0, 1, -Infinity], [0, 1, 1])).toThrow('prediction 3 of 3 is not finite: it is -Infinity');
    expect(() => metric(Float32Array.of(0, 1), Float32Array.of(NaN, 1))).toThrow(
      'label 1 of 2 is not finite: it is NaN',
    );
  });

  it.each(Object.entries(all))('%s is a number from −1 to 1 whatever the finite numbers are', (_, metric) => {
    const number = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer({ min: -2, max: 2 }));
    fc.assert(
      fc.property(fc.array(fc.tuple(number, number), { minLength: 1, maxLength: 9 }), (pairs) => {
        const score = metric(...columns(pairs));
        expect(score).toBeGreaterThanOrEqual(-1);
        expect(score).toBeLessThanOrEqual(1);
      }),
    );
  });

  it.each(Object.entries(all))(
    '%s of one sample is 1 where it counts right answers, else undefined and 0',
    (name, metric) => {
      expect(metric([1], [1])).toBe(['accuracy', 'f1', 'macroF1'].includes(name) ? 1 : 0);
    },
  );

  it('correlations hold for numbers whose squares are beyond a float64', () => {
    for (const unit of [1e300, 1e-200, 5e-324]) {
      expect(pearson([unit, 2 * unit, 3 * unit], [1, 3, 2])).toBeCloseTo(0.5, 12);
      expect(spearman([unit, 2 * unit, 3 * unit], [1, 3, 2])).toBeCloseTo(0.5, 12);
    }
    expect(pearson([1e300, -1e300], [1.7e308, -1.7e308])).toBe(1);
  });
});
