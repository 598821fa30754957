import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { limitTexts, type TextDataset } from './textDataset.js';

function dataset(length: number): TextDataset {
  const rows = Array.from({ length }, (_, row) => row);
  return {
    name: 'RTE/train',
    length,
    first: rows.map((row) => `first ${row}`),
    second: rows.map((row) => `second ${row}`),
    labels: Float32Array.from(rows),
    classNames: ['a', 'b'],
  };
}

describe('limitTexts', () => {
  it('takes the first examples', () => {
    const limited = limitTexts({ ...dataset(5), indices: ['5', '6', '7', '8', '9'] }, 2);
    expect(limited).toEqual({ ...dataset(2), indices: ['5', '6'] });
  });

  it('takes a sample without replacement in the stored order, sentences and labels together', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 40 }), fc.nat(), fc.nat(), (length, seed, some) => {
        const count = 1 + (some % (length - 1));
        const { first, second, labels, ...rest } = limitTexts(dataset(length), count, seed);
        const rows = [...labels!];
        expect(rest.length).toBe(count);
        expect(new Set(rows).size).toBe(count);
        expect(rows).toEqual([...rows].sort((a, b) => a - b));
        expect(first).toEqual(rows.map((row) => `first ${row}`));
        expect(second).toEqual(rows.map((row) => `second ${row}`));
      }),
    );
  });

  it('samples the same rows for ever, others with another seed', () => {
    const sample = (seed: number): number[] => [...limitTexts(dataset(100), 6, seed).labels!];
    expect(sample(0)).toEqual([4, 13, 19, 63, 79, 93]);
    expect(sample(1)).toEqual([46, 51, 53, 56, 60, 65]);
  });

  it('leaves a dataset that is small enough as it is, and wants at least one example', () => {
    const all = dataset(3);
    expect(limitTexts(all, 3, 7)).toBe(all);
    expect(limitTexts({ ...all, second: null, labels: null }, 1)).toMatchObject({ second: null, labels: null });
    expect(() => limitTexts(all, 0)).toThrow('limit of RTE/train must be an integer of at least 1, got 0');
  });
});
