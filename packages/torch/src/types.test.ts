import { expect, expectTypeOf, it } from 'vitest';
import { grad, nn, ops, scope, type Tensor } from './index.js';

/** Never called: the compiler checks it. */
function compiled(x: Tensor, weight: Tensor): void {
  expectTypeOf(ops.conv2d(x, weight)).toEqualTypeOf<Tensor>();
  expectTypeOf(ops.conv2d(x, weight, { bias: null, stride: 2, padding: [1, 1], groups: 4 })).toEqualTypeOf<Tensor>();
  expectTypeOf(x.softmax(1)).toEqualTypeOf<Tensor>();
  expectTypeOf(ops.max(x)).toEqualTypeOf<Tensor>();
  expectTypeOf(ops.max(x, 1)).toEqualTypeOf<[Tensor, Tensor]>();
  expectTypeOf(ops.equal(x, x)).toEqualTypeOf<boolean>();
  expectTypeOf(ops.split(x, 2)).toEqualTypeOf<Tensor[]>();
  expectTypeOf(ops._foreachAdd_).returns.toBeVoid();
  expectTypeOf(x.shape).toEqualTypeOf<number[]>();
  expectTypeOf(grad(x, [x])).toEqualTypeOf<Tensor[]>();
  expectTypeOf(grad(x, [x], { allowUnused: true })).toEqualTypeOf<(Tensor | null)[]>();
  expectTypeOf(scope(() => ({ x, n: 1 }))).toEqualTypeOf<{ x: Tensor; n: number }>();
  expectTypeOf<nn.Conv2d>().toHaveProperty('forward');

  expectTypeOf(ops).not.toHaveProperty('conv2D');
  // @ts-expect-error -- no such option
  ops.conv2d(x, weight, { strides: 2 });
  // @ts-expect-error -- a string is no tensor
  ops.conv2d('x', weight);
  // @ts-expect-error -- weight is missing
  ops.conv2d(x);
  // @ts-expect-error -- no such dtype
  ops.sum(x, { dtype: 'float' });
  // @ts-expect-error -- the gradient may be null where unused inputs are allowed
  grad(x, [x], { allowUnused: true }).map((each) => each.item());
  expectTypeOf(x).not.toHaveProperty('set_'); // left out: it would change the tensor's memory
}

it('types of the public interface are checked by the compiler', () => {
  expect(compiled).toBeTypeOf('function');
});
