import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arange, at, ops, scope, setAt, slice, tensor, Tensor, zeros, type Index } from './index.js';

const range = (start: number, end: number, step: number): number[] => {
  const list: number[] = [];
  for (let i = start; i < end; i += step) list.push(i);
  return list;
};

/** Python's rules for the ends of a slice. */
function pythonRange(size: number, start: number | null, end: number | null, step: number): number[] {
  const place = (value: number): number => Math.min(size, Math.max(0, value < 0 ? value + size : value));
  return range(place(start ?? 0), place(end ?? size), step);
}

/** The row-major positions of a [2, 3, 4] tensor that `picks` (the indices taken of each dimension) selects. */
const shape = [2, 3, 4] as const;
const positions = ([a, b, c]: readonly (readonly number[])[]): number[] =>
  a!.flatMap((i) => b!.flatMap((j) => c!.map((k) => (i * shape[1] + j) * shape[2] + k)));

/** One index of a dimension, the positions that it takes, and whether it drops the dimension. */
const indexOf = (size: number): fc.Arbitrary<{ index: Index; picks: number[]; drops: boolean }> =>
  fc.oneof(
    fc.integer({ min: -size, max: size - 1 }).map((index) => ({ index, picks: [(index + size) % size], drops: true })),
    fc
      .record({
        start: fc.option(fc.integer({ min: -size - 2, max: size + 2 })),
        end: fc.option(fc.integer({ min: -size - 2, max: size + 2 })),
        step: fc.integer({ min: 1, max: 3 }),
      })
      .map(({ start, end, step }) => ({
        index: slice(start, end, step),
        picks: pythonRange(size, start, end, step),
        drops: false,
      })),
  );

const three = fc.tuple(indexOf(2), indexOf(3), indexOf(4));

describe('at', () => {
  it('agrees with plain loops for numbers and slices', () => {
    fc.assert(
      fc.property(three, (parts) => {
        scope(() => {
          const x = arange(0, 24).reshape(shape);
          const found = at(x, ...parts.map(({ index }) => index));
          expect(found.shape).toEqual(parts.filter(({ drops }) => !drops).map(({ picks }) => picks.length));
          expect(found.toArray()).toEqual(positions(parts.map(({ picks }) => picks)));
        });
      }),
    );
  });

  it('agrees with plain loops for an integer tensor in one place', () => {
    const picked = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(indexOf(2), picked, indexOf(4), (first, middle, last) => {
        scope(() => {
          const x = arange(0, 24).reshape(shape);
          const found = at(x, first.index, tensor(middle.map(BigInt)), last.index);
          expect(found.toArray()).toEqual(positions([first.picks, middle, last.picks]));
        });
      }),
    );
  });

  it('takes what a mask says', () => {
    const x = arange(0, 6).reshape([2, 3]);
    expect(at(x, x.gt(2)).toArray()).toEqual([3, 4, 5]);
    expect(at(x, tensor([false, true])).toArray()).toEqual([3, 4, 5]);
    expect(at(x, '...', tensor([true, false, true])).toArray()).toEqual([0, 2, 3, 5]);
  });

  it('adds and skips dimensions', () => {
    const x = zeros(shape);
    expect(at(x, null, 0).shape).toEqual([1, 3, 4]);
    expect(at(x, '...', 0).shape).toEqual([2, 3]);
    expect(at(x, 0, '...', null).shape).toEqual([3, 4, 1]);
    expect(at(x).shape).toEqual([2, 3, 4]);
  });

  it('is a view where no tensor picks', () => {
    const x = zeros([2, 2]);
    at(x, 0).fill_(5);
    expect(x.toArray()).toEqual([5, 5, 0, 0]);
  });

  it('refuses what lies outside', () => {
    const x = zeros([2, 3]);
    expect(() => at(x, 2)).toThrow('out of range');
    expect(() => at(x, 0, 0, 0)).toThrow('3 indices for a tensor of 2 dimensions [2, 3]');
    expect(() => at(x, tensor([5n]))).toThrow('out of bounds');
    expect(() => at(x, slice(0, 2, 0))).toThrow();
    expect(() => at(x, '...', '...')).toThrow();
    expect(() => at(x, 'all' as never)).toThrow();
    expect(() => at(x, 0.5)).toThrow();
  });
});

describe('setAt', () => {
  it('agrees with plain loops', () => {
    fc.assert(
      fc.property(three, (parts) => {
        scope(() => {
          const x = arange(0, 24).reshape(shape);
          setAt(
            x,
            parts.map(({ index }) => index),
            -1,
          );
          const expected = range(0, 24, 1);
          for (const position of positions(parts.map(({ picks }) => picks))) expected[position] = -1;
          expect(x.toArray()).toEqual(expected);
        });
      }),
    );
  });

  it('writes through masks and integer tensors, and broadcasts', () => {
    const x = zeros([2, 3]);
    setAt(x, [tensor([true, false])], 7);
    setAt(x, [1, tensor([0n, 2n])], tensor([1, 2]));
    expect(x.toArray()).toEqual([7, 7, 7, 1, 0, 2]);
    setAt(x, ['...', 0], tensor([3]));
    expect(x.toArray()).toEqual([3, 7, 7, 3, 0, 2]);
  });

  it('refuses a value that does not fit', () => {
    expect(() => {
      setAt(zeros([2, 3]), [0], zeros([2]));
    }).toThrow();
  });
});

it('gather and scatter check their indices', () => {
  const x: Tensor = zeros([2, 2]);
  expect(() => ops.gather(x, 0, tensor([[7n, 0n]]))).toThrow('out of bounds');
  expect(() => ops.indexSelect(x, 0, tensor([-5n]))).toThrow();
});
