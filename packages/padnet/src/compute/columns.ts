/**
 * Columns of a matrix taken apart and put together. As compositions of `indexSelect` they would be slow: its gradient
 * adds along dimension 1, which takes libtorch 72 ms for [1024, 3072]; copying takes 2 to 8.
 */
import { customFunction, ops, type Tensor } from '@padnet/torch';

/** Two sets of columns that together are all: int64, each ascending. */
export interface Columns {
  readonly dynamic: Tensor;
  readonly static: Tensor;
}

/** [rows, columns] → those of each set */
export function splitColumns(matrix: Tensor, columns: Columns): [dynamic: Tensor, others: Tensor] {
  const [dynamic, others] = customFunction<[Tensor]>({
    name: 'SplitColumns',
    forward(context, input) {
      context.save(columns.dynamic, columns.static);
      return take(input, columns);
    },
    backward: ([first, second], [dynamic, others]) => [put(first!, second!, { dynamic: dynamic!, static: others! })],
  })(matrix);
  return [dynamic!, others!];
}

/** The inverse of `splitColumns`. */
export function joinColumns(dynamic: Tensor, others: Tensor, columns: Columns): Tensor {
  const [matrix] = customFunction<[Tensor, Tensor]>({
    name: 'JoinColumns',
    forward(context, first, second) {
      context.save(columns.dynamic, columns.static);
      return put(first, second, columns);
    },
    backward: ([gradient], [dynamic, others]) => take(gradient!, { dynamic: dynamic!, static: others! }),
  })(dynamic, others);
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

function take(matrix: Tensor, { dynamic, static: others }: Columns): [Tensor, Tensor] {
  return [matrix.indexSelect(1, dynamic), matrix.indexSelect(1, others)];
}

function put(first: Tensor, second: Tensor, { dynamic, static: others }: Columns): Tensor {
  return ops.cat([first, second], { dim: 1 }).indexSelect(1, ops.argsort(ops.cat([dynamic, others])));
}
