/** How the dynamic entries lie in a linear layer's weight; what keeps whole rows or columns static is cheaper to compute. */
import { noGrad, ops, scope, type Tensor } from '@padnet/torch';
import type { PartialSource } from '../partial/index.js';

export type MaskStructure =
  | { readonly kind: 'full' }
  | { readonly kind: 'empty' }
  | { readonly kind: 'entries' }
  /** Rows or columns `dynamic` are dynamic as a whole, and `fixed` static: int64 indices, in order. */
  | { readonly kind: 'rows'; readonly dynamic: Tensor; readonly fixed: Tensor }
  | { readonly kind: 'columns'; readonly dynamic: Tensor; readonly fixed: Tensor };

/** @param mask bool [out, in] */
export function maskStructure(mask: Tensor): MaskStructure {
  return scope(() =>
    noGrad(() => {
      const rows = wholeLines(mask, 1);
      if (rows) {
        if (rows.fixed.numel === 0) return { kind: 'full' };
        if (rows.dynamic.numel === 0) return { kind: 'empty' };
        return { kind: 'rows', ...rows };
      }
      const columns = wholeLines(mask, 0);
      return columns ? { kind: 'columns', ...columns } : { kind: 'entries' };
    }),
  );
}

/** @param along the dimension that a line runs in: 1 for rows */
function wholeLines(mask: Tensor, along: 0 | 1): { dynamic: Tensor; fixed: Tensor } | null {
  const some = mask.any(along);
  if (!ops.equal(some, mask.all(along))) return null;
  return { dynamic: ops.nonzero(some).reshape([-1]), fixed: ops.nonzero(some.logicalNot()).reshape([-1]) };
}

/** Remembers the structure of a source's mask until source or mask, which may be loaded, change. */
export class MaskStructureCache {
  #version = '';
  #structure: MaskStructure = { kind: 'full' };

  of(source: PartialSource): MaskStructure {
    const { handle, version } = source.maskBits;
    if (this.#version === `${handle} ${version}`) return this.#structure;
    const structure = maskStructure(source.maskTensor());
    this.#release();
    this.#structure = structure;
    this.#version = `${handle} ${version}`;
    for (const index of indices(this.#structure)) index.keep();
    return this.#structure;
  }

  #release(): void {
    for (const index of indices(this.#structure)) index[Symbol.dispose]();
  }
}

function indices(structure: MaskStructure): readonly Tensor[] {
  return 'dynamic' in structure ? [structure.dynamic, structure.fixed] : [];
}
