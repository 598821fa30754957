import { describe, expect, it } from 'vitest';
import { ops, randn, tensor, zeros, type Tensor } from './index.js';

describe('preconditions', () => {
  it('LAPACK gets finite input only', () => {
    const x = tensor([
      [1, NaN],
      [0, 1],
    ]);
    expect(() => ops.linalgSvd(x)).toThrow("aten::linalg_svd: 'A' has elements that are not finite");
    expect(() => ops.linalgNorm(x, 'nuc')).toThrow('not finite');
    expect(ops.linalgVectorNorm(x).item()).toBeNaN();
    expect(
      ops
        .linalgSvdvals(
          tensor([
            [3, 0],
            [0, 4],
          ]),
        )
        .toArray(),
    ).toEqual([4, 3]);
    expect(ops.norm(tensor([1, NaN])).item()).toBeNaN();
  });

  it('the smallest integer is not divided by -1', () => {
    const least = tensor([-(2n ** 63n)]);
    expect(() => ops.remainder(least, tensor([-1n]))).toThrow('-9223372036854775808 by -1 overflows');
    expect(() => ops.floorDivide(least, -1)).toThrow('overflows');
    expect(() => ops.fmod_(tensor([-(2 ** 31)], { dtype: 'int32' }), -1)).toThrow('overflows');
    expect(ops.remainder(least, tensor([3n])).item()).toBe(1);
    expect(ops.floorDivide(tensor([7n]), tensor([-2n])).item()).toBe(-4);
    expect(() => ops.floorDivide(tensor([7n]), tensor([0n]))).toThrow('ZeroDivisionError');
  });

  it('embeddingBag checks its indices and offsets', () => {
    const weight = tensor([
      [1, 10],
      [2, 20],
      [3, 30],
    ]);
    const [bags] = ops.embeddingBag(weight, tensor([0n, 2n, 1n]), tensor([0n, 2n]));
    expect(bags.toArray()).toEqual([4, 40, 2, 20]);
    expect(() => ops.embeddingBag(weight, tensor([0n, 3n]), tensor([0n]))).toThrow(
      "'indices' has elements from 0 to 3, outside 0 to 2",
    );
    expect(() => ops.embeddingBag(weight, tensor([0n]), tensor([0n, 9n]))).toThrow(
      "'offsets' has elements from 0 to 9, outside 0 to 1",
    );
  });

  it('recurrent layers check their weights', () => {
    const weights = [zeros([8, 3]), zeros([8, 2]), zeros([8]), zeros([8])];
    const state = [zeros([1, 1, 2]), zeros([1, 1, 2])];
    const run = (params = weights, hx = state): unknown =>
      ops.lstm(randn([4, 1, 3]), hx, params, true, 1, 0, false, false, false)[0].shape;
    expect(run()).toEqual([4, 1, 2]);
    expect(() => run(weights.slice(1))).toThrow("'params' has 3 tensors, not 4");
    expect(() => run([zeros([8, 5]), ...weights.slice(1)])).toThrow("'params[0]' has shape [8, 5], expected [8, 3]");
    expect(() => run(weights, [zeros([1, 2])])).toThrow("'hx' has shape [1, 2]");
    const projected = [zeros([16, 3]), zeros([16, 2]), zeros([2, 4])];
    const project = (params: Tensor[]): unknown =>
      ops.lstm(randn([4, 1, 3]), [zeros([1, 1, 2]), zeros([1, 1, 4])], params, false, 1, 0, false, false, false)[0]
        .shape;
    expect(project(projected)).toEqual([4, 1, 2]);
    expect(() => project([projected[0]!, zeros([16, 3]), projected[2]!])).toThrow("'hx' has shape [1, 1, 2]");
    expect(() => project([...projected.slice(0, 2), zeros([3, 4])])).toThrow(
      "'params[2]' has shape [3, 4], expected [2, 4]",
    );
    expect(() => project(projected.slice(0, 2))).toThrow("'params' has 2 tensors, not 3");
    expect(ops.gruCell(zeros([1, 3]), zeros([1, 2]), zeros([6, 3]), zeros([6, 2])).shape).toEqual([1, 2]);
    expect(() => ops.gruCell(zeros([1, 3]), zeros([1, 2]), zeros([6, 3]), zeros([2, 2]))).toThrow("'w_hh'");
  });

  it('others', () => {
    expect(() => ops.histogramdd(zeros([2, 3]), [2])).toThrow("'bins' has 1 entries for a tensor [2, 3]");
    expect(() => ops.gradient(zeros([2, 3]), { spacing: [zeros([2])] })).toThrow(
      "'spacing' has 1 entries for 2 dimensions",
    );
    expect(() => ops.index(zeros([2]), [tensor([0n])], { out: zeros([1], { dtype: 'int64' }) })).toThrow(
      "'out' is int64",
    );
    expect(() => ops.combinations(zeros([5]), { r: 2 ** 31 })).toThrow("'r' is too large for [5]");
    expect(ops.combinations(tensor([1, 2, 3])).shape).toEqual([3, 2]);
  });
});
