import { describe, expect, it } from 'vitest';
import { tensor } from '../index.js';
import { defaultTolerance, expectClose } from './expectClose.js';

describe('expectClose', () => {
  it('accepts what is within atol + rtol · |expected|, and not what is just beyond', () => {
    const actual = tensor([1, 100], { dtype: 'float64' });
    expectClose(actual, [1.1, 101], { atol: 0.05, rtol: 0.05 });
    expect(() => {
      expectClose(actual, [1.1, 101], { atol: 0, rtol: 0.05 });
    }).toThrow(
      /1 of 2 elements differ by more than 0 \+ 0.05 · \|expected\|; the worst is at \[0\]: expected 1.1, got 1/,
    );
    expect(() => {
      expectClose(actual, [1, 101], { atol: 0.99, rtol: 0 });
    }).toThrow(/at \[1\]/);
  });

  it('names the worst element by its position', () => {
    expect(() => {
      expectClose(tensor([[1, 2, 3], [4, 5, 7]]), [[1, 2.5, 3], [4, 5, 6]]); // prettier-ignore
    }).toThrow(
      '2 of 6 elements differ by more than 0.00001 + 0.0000013 · |expected|; ' +
        'the worst is at [1, 2]: expected 6, got 7 (difference 1)',
    );
  });

  it('wants equal shapes, however the elements compare', () => {
    expect(() => {
      expectClose(tensor([1, 2]), [[1, 2]]);
    }).toThrow('expected shape [1, 2], got [2]');
    expect(() => {
      expectClose(tensor([1]), 1);
    }).toThrow('expected shape [], got [1]');
    expectClose(3, 3);
    expectClose(tensor([]), []);
  });

  it('takes NaN for NaN and infinities for themselves only', () => {
    expectClose(tensor([NaN, Infinity, -Infinity]), [NaN, Infinity, -Infinity]);
    for (const [actual, expected] of [
      [NaN, 0],
      [0, NaN],
      [Infinity, 1e300],
      [Infinity, -Infinity],
      [1, Infinity],
    ] as const) {
      expect(() => {
        expectClose(actual, expected, { atol: 1e9, rtol: 1e9 });
      }).toThrow('the worst is at []');
    }
  });

  it('has tolerances by dtype: none for whole numbers, wide for halves', () => {
    expectClose(tensor([1.001], { dtype: 'bfloat16' }), [1]);
    expectClose(tensor([1 + 1e-6]), [1]);
    expect(() => {
      expectClose(tensor([1 + 1e-6], { dtype: 'float64' }), [1]);
    }).toThrow('1 of 1');
    expect(() => {
      expectClose(tensor([2n]), [1]);
    }).toThrow('more than 0 + 0');
    expectClose(tensor([true, false]), [true, false]);
    expect(defaultTolerance('float64').atol).toBe(1e-7);
  });
});
