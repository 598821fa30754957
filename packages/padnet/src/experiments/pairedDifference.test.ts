import { describe, expect, it } from 'vitest';
import {
  differenceBySeed,
  excludesZero,
  holds,
  holmCorrected,
  pairedDifference,
  type PairedDifference,
} from './pairedDifference.js';

const bySeed = (values: readonly number[]) => new Map(values.map((value, index) => [index + 1, value]));
const differenceOf = (values: readonly number[]): PairedDifference =>
  pairedDifference(bySeed(values), bySeed(values.map(() => 0)))!;

describe('pairedDifference', () => {
  it('is over the seeds that both have', () => {
    const difference = differenceBySeed(
      bySeed([0.5, 0.75, 0.25]),
      new Map([
        [2, 0.5],
        [3, 0.5],
        [4, 1],
      ]),
    );
    expect([...difference]).toEqual([
      [2, 0.25],
      [3, -0.25],
    ]);
    expect(pairedDifference(bySeed([1]), new Map([[2, 1]]))).toBeNull();
  });

  it.each([
    // scipy.stats.ttest_1samp, 1.15
    [[1, 2, 4], 0.11808289631180308, [-1.4612497002634255, 6.1279163669300925]],
    [[0.01, 0.013, 0.004, 0.02, -0.001], 0.06411758012459529, [-0.0008643741547799677, 0.019264374154779967]],
    [[-0.3, -0.2], 0.12566591637800234, [-0.8853102368087346, 0.38531023680873455]],
  ])('has Student’s p value and interval: %j', (values, p, [low, high]) => {
    const difference = differenceOf(values);
    expect(difference.p).toBeCloseTo(p, 8);
    expect(difference.correctedP).toBe(difference.p);
    expect(difference.interval![0]).toBeCloseTo(low!, 7);
    expect(difference.interval![1]).toBeCloseTo(high!, 7);
  });

  it('has the intervals of tables of t', () => {
    for (const [count, quantile] of [
      [2, 12.706205],
      [3, 4.302653],
      [4, 3.182446],
      [11, 2.228139],
      [100, 1.984217],
    ] as const) {
      // prettier-ignore
      const { mean, deviation, interval } = differenceOf(Array.from({ length: count }, (_, index) => index));
      expect(((interval![1] - mean) * Math.sqrt(count)) / deviation!).toBeCloseTo(quantile, 5);
    }
  });

  it('tells nothing of one seed, and all of equal ones', () => {
    expect(differenceOf([0.5])).toEqual({
      mean: 0.5,
      deviation: null,
      count: 1,
      interval: null,
      p: null,
      correctedP: null,
    });
    expect(differenceOf([0.25, 0.25])).toMatchObject({ p: 0, interval: [0.25, 0.25] });
    expect(differenceOf([0, 0])).toMatchObject({ p: 1, interval: [0, 0] });
  });
});

describe('holmCorrected', () => {
  const withP = (p: number | null): PairedDifference => ({ ...differenceOf([0.5, 1]), p, correctedP: p });
  const correctedPs = (ps: readonly (number | null)[]) => holmCorrected(ps.map(withP)).map((each) => each!.correctedP);

  it('is R’s p.adjust, in any order', () => {
    const closeTo = (values: readonly number[]) => values.map((value) => expect.closeTo(value, 12) as number);
    expect(correctedPs([0.01, 0.02, 0.03, 0.04])).toEqual(closeTo([0.04, 0.06, 0.06, 0.06]));
    expect(correctedPs([0.04, 0.3, 0.001, 0.02])).toEqual(closeTo([0.08, 0.3, 0.004, 0.06]));
    expect(correctedPs([0.6, 0.7])).toEqual([1, 1]);
    expect(correctedPs([0.02])).toEqual([0.02]);
    expect(correctedPs([0.03, 0.03])).toEqual([0.06, 0.06]);
  });

  it('does not count what one seed or none has', () => {
    expect(holmCorrected([null, withP(0.03), withP(null)]).map((each) => each?.correctedP)).toEqual([
      undefined,
      0.03,
      null,
    ]);
  });

  it('takes back what an interval says by itself', () => {
    const [first, second] = holmCorrected([withP(0.04), withP(0.01)]) as [PairedDifference, PairedDifference];
    expect([excludesZero(first), holds(first)]).toEqual([true, true]);
    expect([second, withP(0.2)].map(holds)).toEqual([true, false]);
    const third = holmCorrected([withP(0.04), withP(0.04)])[0]!;
    expect([excludesZero(third), holds(third)]).toEqual([true, false]);
    expect(holds(withP(null))).toBeNull();
  });
});
