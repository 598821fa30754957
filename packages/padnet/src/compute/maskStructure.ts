/**
 * How the dynamic entries lie in a linear layer's weight; what keeps whole rows or columns static is cheaper to
 * compute.
 */
import { noGrad, ops, scope, type Tensor } from '@padnet/torch';

export type MaskStructure =
  | { readonly kind: 'full' }
  | { readonly kind: 'empty' }
  | { readonly kind: 'entries' }
  /** Rows or columns `dynamic` are dynamic as a whole, and `static` static: int64 indices, in order. */
  | { readonly kind: 'rows'; readonly dynamic: Tensor; readonly static: Tensor }
  | { readonly kind: 'columns'; readonly dynamic: Tensor; readonly static: Tensor };

/** @param mask bool [out, in] */
export function maskStructure(mask: Tensor): MaskStructure {
  return scope(() =>
    noGrad(() => {
      const rows = wholeLines(mask, 1);
      if (rows) {
        if (rows.static.numel === 0) return { kind: 'full' };
        if (rows.dynamic.numel === 0) return { kind: 'empty' };
        return { kind: 'rows', ...rows };
      }
      const columns = wholeLines(mask, 0);
      return columns ? { kind: 'columns', ...columns } : { kind: 'entries' };
    }),
  );
}

/** @param along the dimension that a line runs in: 1 for rows */
function wholeLines(mask: Tensor, along: 0 | 1): { dynamic: Tensor; static: Tensor } | null {
  const some = mask.any(along);
  if (!ops.equal(some, mask.all(along))) return null;
  return { dynamic: ops.nonzero(some).reshape([-1]), static: ops.nonzero(some.logicalNot()).reshape([-1]) };
}
