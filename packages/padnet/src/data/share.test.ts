import fc from 'fast-check';
import { expect, it } from 'vitest';
import { partOfBatch } from './share.js';

it('every sample of a batch is computed by one rank, in order, and by all where there are fewer than ranks', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 12 }), (length, size) => {
      const samples = new Uint32Array(length).map((_, index) => 7 * index);
      const parts = Array.from({ length: size }, (_, rank) => partOfBatch(samples, { rank, size }));
      if (length < size) {
        for (const part of parts) expect(part).toEqual({ samples, isPart: false });
        return;
      }
      expect(parts.every(({ isPart }) => isPart)).toBe(true);
      expect(parts.flatMap((part) => [...part.samples])).toEqual([...samples]);
      const lengths = parts.map((part) => part.samples.length);
      expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(1);
    }),
  );
});

it('one process has whole batches', () => {
  const samples = Uint32Array.of(3, 1);
  expect(partOfBatch(samples, null)).toEqual({ samples, isPart: false });
});
