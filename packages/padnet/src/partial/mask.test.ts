import { tensor, zeros } from '@padnet/torch';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Mask } from './mask.js';

const entries = fc.array(fc.boolean(), { minLength: 0, maxLength: 70 });

describe('Mask', () => {
  it('holds one bit an entry, entry i at bit i mod 8 of byte i / 8', () => {
    const mask = Mask.fromTensor(
      tensor([
        [1, 0, 0, 1, 1],
        [0, 0, 0, 1, 1],
      ]),
    );
    expect([...mask.bits]).toEqual([0b00011001, 0b11]);
    expect(mask.shape).toEqual([2, 5]);
    expect(mask.count).toBe(5);
    expect(mask.dynamicRatio).toBe(0.5);
    expect(mask.has(3)).toBe(true);
    expect(mask.has(5)).toBe(false);
  });

  it('goes to a tensor and back, and through its bits, unchanged', () => {
    fc.assert(
      fc.property(entries, (flags) => {
        const mask = Mask.fromTensor(tensor(flags, { dtype: 'bool' }).reshape([flags.length]));
        expect(mask.toTensor().toArray()).toEqual(flags.map(Number));
        expect(Mask.fromBits([flags.length], mask.bits).equals(mask)).toBe(true);
        expect(mask.count).toBe(flags.filter(Boolean).length);
      }),
    );
  });

  it('is full or empty', () => {
    expect(Mask.full([3, 3]).count).toBe(9);
    expect(Mask.full([8]).toTensor().toArray()).toEqual(Array(8).fill(1));
    expect(Mask.empty([3, 3]).count).toBe(0);
    expect(Mask.full([0]).dynamicRatio).toBe(0);
  });

  it('counts the entries dynamic in both', () => {
    const a = Mask.fromTensor(tensor([1, 1, 0, 0]));
    const b = Mask.fromTensor(tensor([1, 0, 1, 0]));
    expect(a.overlap(b)).toBe(1);
    expect(a.equals(b)).toBe(false);
    expect(() => a.overlap(Mask.full([2, 2]))).toThrow('masks of shape [4] and [2, 2] cannot be compared');
  });

  it('can only hold a legal mask', () => {
    expect(() => Mask.fromTensor(tensor([0, 0.5, 1]))).toThrow('a mask can hold only 0 and 1');
    expect(() => Mask.fromBits([9], new Uint8Array(1))).toThrow('a mask of shape [9] needs 2 bytes, got 1');
    expect(() => Mask.fromBits([3], Uint8Array.of(0b1000))).toThrow('a mask of 3 entries has bits set beyond its end');
    expect(() => Mask.fromTensor(zeros([4])).has(4)).toThrow('a mask of 4 entries has no entry 4');
  });

  it('does not change when the bits that it was made of do', () => {
    const bits = Uint8Array.of(1);
    const mask = Mask.fromBits([8], bits);
    bits[0] = 255;
    expect(mask.count).toBe(1);
  });
});
