/**
 * Columns of a matrix taken apart and put together. As compositions of `indexSelect` they would be slow: its gradient adds
 * along dimension 1, which takes libtorch 72 ms for [1024, 3072]; copying takes 2 to 8.
 */
import { customFunction, ops, type Tensor } from '@padnet/torch';

/** Two sets of columns that together are all: int64, each ascending. */
export interface Columns {
  readonly dynamic: Tensor;
  readonly fixed: Tensor;
}

/** [rows, columns] → those of each set */
export function splitColumns(matrix: Tensor, columns: Columns): [dynamic: Tensor, fixed: Tensor] {
  const [dynamic, fixed] = customFunction<[Tensor]>({
    name: 'SplitColumns',
    forward(context, input) {
      context.save(columns.dynamic, columns.fixed);
      return take(input, columns);
    },
    backward: ([first, second], [dynamic, fixed]) => [put(first!, second!, { dynamic: dynamic!, fixed: fixed! })],
  })(matrix);
  return [dynamic!, fixed!];
}

/** The inverse of `splitColumns`. */
export function joinColumns(dynamic: Tensor, fixed: Tensor, columns: Columns): Tensor {
  const [matrix] = customFunction<[Tensor, Tensor]>({
    name: 'JoinColumns',
    forward(context, first, second) {
      context.save(columns.dynamic, columns.fixed);
      return put(first, second, columns);
    },
    backward: ([gradient], [dynamic, fixed]) => take(gradient!, { dynamic: dynamic!, fixed: fixed! }),
  })(dynamic, fixed);
  return matrix!;
}

/** [rows, columns] → [rows, index] */
export function selectColumns(matrix: Tensor, index: Tensor): Tensor {
  const { shape } = matrix;
  const [selected] = customFunction<[Tensor]>({
    name: 'SelectColumns',
    forward(context, input) {
      context.save(index);
      return input.indexSelect(1, index);
    },
    backward: ([gradient], [saved]) => [ops.indexCopy(gradient!.newZeros(shape), 1, saved!, gradient!)],
  })(matrix);
  return selected!;
}

function take(matrix: Tensor, { dynamic, fixed }: Columns): [Tensor, Tensor] {
  return [matrix.indexSelect(1, dynamic), matrix.indexSelect(1, fixed)];
}

function put(first: Tensor, second: Tensor, { dynamic, fixed }: Columns): Tensor {
  return ops.cat([first, second], { dim: 1 }).indexSelect(1, ops.argsort(ops.cat([dynamic, fixed])));
}
