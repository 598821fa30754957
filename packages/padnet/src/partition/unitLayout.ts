/** How the entries of one weight make up units, which stay dynamic or become static as one. */
import { ops, type Tensor } from '@padnet/torch';

export interface UnitLayout<Size extends number | Int32Array = number | Int32Array> {
  /** Entries of a unit; by unit where they differ. */
  readonly unitSize: Size;
  /** […shape] → the sum of each unit [units] */
  sum(entries: Tensor): Tensor;
  /** [units] → for every entry the value of its unit […shape] */
  spread(units: Tensor): Tensor;
}

/** Units are runs of `unitSize` entries in row-major order. */
export function runs(shape: readonly number[], unitSize: number): UnitLayout<number> {
  return {
    unitSize,
    sum: (entries) => entries.reshape([-1, unitSize]).sum([1]),
    spread: (units) => units.unsqueeze(1).expand([-1, unitSize]).reshape(shape),
  };
}

/** Units are the columns of a weight [rows, columns]. */
export function columns(shape: readonly number[]): UnitLayout<number> {
  const [rows = 0] = shape;
  return {
    unitSize: rows,
    sum: (entries) => entries.sum([0]),
    spread: (units) => units.unsqueeze(0).expand(shape),
  };
}

/**
 * Units are the squares that a grid of `size` cuts from a weight [rows, columns], row by row; less at the far edges.
 */
export function blocks(shape: readonly number[], size: number): UnitLayout {
  const [rows = 0, columns = 0] = shape;
  const [gridRows, gridColumns] = [Math.ceil(rows / size), Math.ceil(columns / size)];
  const [paddedRows, paddedColumns] = [gridRows * size, gridColumns * size];
  return {
    unitSize: paddedRows === rows && paddedColumns === columns ? size * size : blockSizes(rows, columns, size),
    sum: (entries) =>
      ops
        .constantPadNd(entries, [0, paddedColumns - columns, 0, paddedRows - rows])
        .reshape([gridRows, size, gridColumns, size])
        .sum([1, 3])
        .reshape([-1]),
    spread: (units) =>
      units
        .reshape([gridRows, 1, gridColumns, 1])
        .expand([-1, size, -1, size])
        .reshape([paddedRows, paddedColumns])
        .narrow(0, 0, rows)
        .narrow(1, 0, columns),
  };
}

function blockSizes(rows: number, columns: number, size: number): Int32Array {
  const cuts = (length: number): number[] =>
    Array.from({ length: Math.ceil(length / size) }, (_, index) => Math.min(size, length - index * size));
  const widths = cuts(columns);
  return Int32Array.from(cuts(rows).flatMap((height) => widths.map((width) => height * width)));
}
