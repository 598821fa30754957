import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { sampleOrder } from '../sampleOrder.js';
import { lengthBatches } from './lengthBatches.js';

const anyLengths = fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 400 }).map((all) => Uint32Array.from(all));
const batchSizes = fc.integer({ min: 1, max: 40 });

describe('lengthBatches', () => {
  it('has every example in one batch, the same ones each time, and only one batch that is smaller', () => {
    fc.assert(
      fc.property(anyLengths, batchSizes, fc.nat(), fc.nat(9), fc.boolean(), fc.boolean(), (...values) => {
        const [lengths, batchSize, seed, epoch, shuffle, groupByLength] = values;
        const options = { lengths, batchSize, seed, epoch, shuffle, groupByLength };
        const batches = lengthBatches(options);
        expect(batches.flatMap((batch) => [...batch]).sort((a, b) => a - b)).toEqual([...lengths.keys()]);
        expect(batches.length).toBe(Math.ceil(lengths.length / batchSize));
        expect(batches.filter((batch) => batch.length !== batchSize).length).toBeLessThanOrEqual(1);
        expect(lengthBatches(options)).toEqual(batches);
      }),
    );
  });

  const lengths = Uint32Array.from(
    sampleOrder({ length: 1000, seed: 5, epoch: 0, shuffle: true }),
    (i) => 1 + (i % 50),
  );
  const options = { lengths, batchSize: 4, seed: 0, epoch: 0 };
  /** Tokens of padding for a token of text. */
  const padding = (batches: readonly Uint32Array[]): number => {
    const longest = batches.map((batch) => batch.length * Math.max(...Array.from(batch, (i) => lengths[i]!)));
    return longest.reduce((a, b) => a + b) / lengths.reduce((a, b) => a + b) - 1;
  };

  it('has like lengths together, in other company and order each epoch', () => {
    const plain = lengthBatches({ ...options, shuffle: true, groupByLength: false });
    const grouped = lengthBatches({ ...options, shuffle: true, groupByLength: true });
    expect(padding(plain)).toBeGreaterThan(0.5);
    expect(padding(grouped)).toBeLessThan(0.03);
    const firsts = grouped.map((batch) => lengths[batch[0]!]!);
    expect(firsts).not.toEqual([...firsts].sort((a, b) => a - b));
    const company = (batches: Uint32Array[]) =>
      new Set(batches.map((batch) => [...batch].sort((a, b) => a - b).join()));
    const next = company(lengthBatches({ ...options, epoch: 1, shuffle: true, groupByLength: true }));
    expect([...company(grouped)].filter((batch) => next.has(batch)).length).toBeLessThan(5);
  });

  it('sorts the whole set without shuffle, and leaves it as it is without grouping', () => {
    const sorted = lengthBatches({ ...options, shuffle: false, groupByLength: true }).flatMap((batch) => [...batch]);
    const expected = [...lengths.keys()].sort((a, b) => lengths[a]! - lengths[b]! || a - b);
    expect(sorted).toEqual(expected);
    const stored = lengthBatches({ ...options, shuffle: false, groupByLength: false });
    expect(stored.flatMap((batch) => [...batch])).toEqual([...lengths.keys()]);
  });

  it('never changes: stored runs resume by these numbers', () => {
    const few = { lengths: Uint32Array.of(5, 3, 9, 1, 7, 7), batchSize: 2, seed: 7 };
    const batches = (epoch: number) =>
      lengthBatches({ ...few, epoch, shuffle: true, groupByLength: true }).map((batch) => [...batch]);
    expect(batches(0)).toEqual([
      [0, 5],
      [3, 1],
      [4, 2],
    ]);
    expect(batches(1)).toEqual([
      [3, 1],
      [4, 2],
      [0, 5],
    ]);
  });

  it('refuses a batch size of 0', () => {
    const none = { ...options, batchSize: 0, shuffle: true, groupByLength: true };
    expect(() => lengthBatches(none)).toThrow('batchSize must be an integer of at least 1, got 0');
  });
});
