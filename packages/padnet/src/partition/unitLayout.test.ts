import { ops, scope } from '@padnet/torch';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blocks, columns, runs, type UnitLayout } from './unitLayout.js';

const sizes = fc.integer({ min: 1, max: 9 });

/** The definition: `unitOf` names the unit of entry [row, column]. */
function expectUnits(
  rows: number,
  width: number,
  layout: UnitLayout,
  unitOf: (row: number, column: number) => number,
): void {
  scope(() => {
    const entries = ops
      .arange(rows * width, {})
      .square()
      .reshape([rows, width]); // no two alike, sums exact
    const sums: number[] = [];
    const counts: number[] = [];
    const spread: number[] = [];
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < width; column++) {
        const unit = unitOf(row, column);
        sums[unit] = (sums[unit] ?? 0) + (row * width + column) ** 2;
        counts[unit] = (counts[unit] ?? 0) + 1;
        spread.push(unit * 3);
      }
    }
    expect(layout.sum(entries).toArray()).toEqual(sums);
    const { unitSize } = layout;
    expect(typeof unitSize === 'number' ? sums.map(() => unitSize) : [...unitSize]).toEqual(counts);
    const units = ops.arange(sums.length, {}).mul(3);
    expect(layout.spread(units).shape).toEqual([rows, width]);
    expect(layout.spread(units).toArray()).toEqual(spread);
  });
}

describe('unit layouts', () => {
  it('are runs of entries, columns or squares, in order', () => {
    fc.assert(
      fc.property(sizes, sizes, sizes, (rows, width, size) => {
        expectUnits(rows, width, runs([rows, width], width), (row) => row);
        expectUnits(rows, width, runs([rows, width], 1), (row, column) => row * width + column);
        expectUnits(rows, width, columns([rows, width]), (_, column) => column);
        const grid = Math.ceil(width / size);
        expectUnits(
          rows,
          width,
          blocks([rows, width], size),
          (row, column) => Math.floor(row / size) * grid + Math.floor(column / size),
        );
      }),
      { numRuns: 40 },
    );
  });

  it('have one size where a grid divides the weight', () => {
    expect(blocks([32, 48], 16).unitSize).toBe(256);
    expect(blocks([3, 5], 2).unitSize).toEqual(Int32Array.of(4, 4, 2, 2, 2, 1));
  });
});
