import { randn, tensor } from '@padnet/torch';
import { expectClose, gradcheck } from '@padnet/torch/testing';
import { describe, expect, it } from 'vitest';
import { joinColumns, selectColumns, splitColumns } from './columns.js';

const columns = { dynamic: tensor([1n, 3n]), static: tensor([0n, 2n, 4n]) };
const matrix = tensor([[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]); // prettier-ignore

describe('columns', () => {
  it('are taken apart and put together', () => {
    const [dynamic, others] = splitColumns(matrix, columns);
    expect(dynamic.toArray()).toEqual([1, 3, 6, 8]);
    expect(others.toArray()).toEqual([0, 2, 4, 5, 7, 9]);
    expectClose(joinColumns(dynamic, others, columns), matrix);
    expect(selectColumns(matrix, columns.dynamic).toArray()).toEqual([1, 3, 6, 8]);
  });

  it('have the gradients of finite differences', () => {
    const leaf = (width: number): ReturnType<typeof randn> =>
      randn([2, width], { dtype: 'float64', requiresGrad: true });
    gradcheck((x) => splitColumns(x, columns), [leaf(5)]);
    gradcheck((x) => splitColumns(x, columns)[1], [leaf(5)]);
    gradcheck((a, b) => joinColumns(a, b, columns), [leaf(2), leaf(3)]);
    gradcheck((x) => selectColumns(x, columns.static), [leaf(5)]);
  });
});
