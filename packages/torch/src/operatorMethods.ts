/** Makes every operator with a `self` argument a method of `Tensor`; imported for its effect by `index.ts`. */
import * as ops from './ops.generated.js';
import { Tensor } from './tensor.js';
import { methodNames } from './tensorMethods.generated.js';

const functions = ops as unknown as Readonly<Record<string, (...values: unknown[]) => unknown>>;
for (const [method, name] of Object.entries(methodNames)) {
  const call = functions[name]!;
  Object.defineProperty(Tensor.prototype, method, {
    configurable: true,
    writable: true,
    value: function (this: Tensor, ...values: unknown[]): unknown {
      return call(this, ...values);
    },
  });
}
