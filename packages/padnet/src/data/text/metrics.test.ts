import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { accuracy, f1, matthews, pearson, spearman } from './metrics.js';

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

  it('are 0 where undefined', () => {
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

  it('want a prediction for each label', () => {
    for (const metric of [accuracy, f1, matthews, pearson, spearman]) {
      expect(() => metric([1], [1, 0])).toThrow('expected a prediction for each of 2 labels, got 1');
      expect(() => metric([], [])).toThrow('expected a prediction for each of 0 labels, got 0');
    }
  });
});
