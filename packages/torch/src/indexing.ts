/** Indexing as in Python: `at(x, 0, slice(1, 3), '...', mask)`. */
import * as ops from './ops.generated.js';
import { Tensor } from './tensor.js';

/** A range of one dimension, end exclusive; negative numbers count from the end. */
export class Slice {
  constructor(
    readonly start: number | null,
    readonly end: number | null,
    readonly step: number,
  ) {}
}

/** `slice(1, 3)` is Python's `1:3`, `slice()` is `:`. @param step at least 1 */
export function slice(start: number | null = null, end: number | null = null, step = 1): Slice {
  return new Slice(start, end, step);
}

/**
 * One part of an index: a number drops its dimension, a slice keeps a range, null adds a dimension of 1, `'...'` stands
 * for all dimensions not mentioned, an int64 or bool tensor picks elements.
 */
export type Index = number | Slice | null | '...' | Tensor;

/** The elements at `indices`: a view of the same memory, unless one of them is a tensor. */
export function at(tensor: Tensor, ...indices: Index[]): Tensor {
  const { view, picks } = basicIndex(tensor, indices);
  return picks.some((pick) => pick !== null) ? ops.index(view, picks) : view;
}

/** Writes `value` (broadcast) to the elements at `indices`, in place. */
export function setAt(tensor: Tensor, indices: readonly Index[], value: Tensor | number): void {
  const { view, picks } = basicIndex(tensor, indices);
  const source =
    value instanceof Tensor ? value : ops.scalarTensor(value, { dtype: tensor.dtype, device: tensor.device });
  if (picks.some((pick) => pick !== null)) ops.indexPut_(view, picks, source);
  else view.copy_(source);
}

function basicIndex(tensor: Tensor, indices: readonly Index[]): { view: Tensor; picks: (Tensor | null)[] } {
  const consumed = indices.reduce<number>((sum, index) => {
    if (index === null || index === '...') return sum;
    return sum + (index instanceof Tensor && index.dtype === 'bool' ? index.dim : 1);
  }, 0);
  const { dim: rank } = tensor;
  if (consumed > rank)
    throw new RangeError(`${consumed} indices for a tensor of ${rank} dimensions [${tensor.shape.join(', ')}]`);
  if (indices.indexOf('...') !== indices.lastIndexOf('...')) throw new RangeError("an index has at most one '...'");
  let view = tensor;
  let dim = 0;
  const picks: (Tensor | null)[] = [];
  for (const index of indices) {
    if (index === null) {
      view = view.unsqueeze(dim++);
      picks.push(null);
    } else if (index === '...') {
      for (let skipped = rank - consumed; skipped > 0; skipped--, dim++) picks.push(null);
    } else if (typeof index === 'number') {
      view = view.select(dim, index);
    } else if (index instanceof Slice) {
      const { start, end, step } = index;
      view = view.slice({ dim, start, end, step });
      dim++;
      picks.push(null);
    } else {
      picks.push(index);
      dim += index.dtype === 'bool' ? index.dim : 1;
    }
  }
  return { view, picks };
}
