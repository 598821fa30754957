import fc from 'fast-check';
import { expect, it } from 'vitest';
import { spreadLabels } from './spreadLabels.js';

it('leaves labels with room where they are', () => {
  expect(spreadLabels([50, 10, 30], 15, 0, 100)).toEqual([50, 10, 30]);
});

it('moves labels that touch apart around where they were, within the limits', () => {
  expect(spreadLabels([50, 50, 50], 10, 0, 100)).toEqual([40, 50, 60]);
  expect(spreadLabels([0, 1, 40], 10, 0, 100)).toEqual([0, 10, 40]);
  expect(spreadLabels([100, 99], 10, 0, 100)).toEqual([100, 90]);
});

it('keeps order and distance for any positions', () => {
  const position = fc.double({ min: 0, max: 100, noNaN: true });
  fc.assert(
    fc.property(fc.array(position, { maxLength: 8 }), (positions) => {
      const spread = spreadLabels(positions, 10, 0, 100);
      const order = [...positions.keys()].sort((a, b) => positions[a]! - positions[b]! || a - b);
      order.slice(1).forEach((index, rank) => {
        expect(spread[index]! - spread[order[rank]!]!).toBeGreaterThanOrEqual(10 - 1e-9);
      });
      for (const value of spread) {
        expect(value).toBeGreaterThanOrEqual(-1e-9);
        expect(value).toBeLessThanOrEqual(100 + 1e-9);
      }
    }),
  );
});
