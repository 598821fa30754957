import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import {
  backward,
  customFunction,
  enableGrad,
  grad,
  isGradEnabled,
  liveTensors,
  noGrad,
  ops,
  registerHook,
  scope,
  tensor,
  Tensor,
  zeros,
} from './index.js';

const leaf = (values: number[]): Tensor => tensor(values, { dtype: 'float64', requiresGrad: true });
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

describe('backward', () => {
  it('sums gradients up in grad', () => {
    const x = leaf([1, 2, 3]);
    expect(x.grad).toBeNull();
    x.mul(x).sum().backward();
    expect(x.grad!.toArray()).toEqual([2, 4, 6]);
    backward(x.sum());
    expect(x.grad!.toArray()).toEqual([3, 5, 7]);
    x.grad = null;
    expect(x.grad).toBeNull();
    x.grad = tensor([1, 1, 1], { dtype: 'float64' });
    expect(x.grad.toArray()).toEqual([1, 1, 1]);
    expect(() => (x.grad = zeros([2]))).toThrow('does not fit its tensor [3] float64');
  });

  it('wants gradients for more than one element', () => {
    const x = leaf([1, 2]);
    expect(() => {
      backward(x.mul(2));
    }).toThrow('scalar');
    backward(x.mul(2), { gradients: [tensor([1, 10], { dtype: 'float64' })] });
    expect(x.grad!.toArray()).toEqual([2, 20]);
  });

  it('goes through a graph once, unless it is retained', () => {
    const x = leaf([2]);
    const y = x.exp().sum();
    backward(y, { retainGraph: true });
    backward(y);
    expect(() => {
      backward(y);
    }).toThrow('a second time');
    expect(x.grad!.item()).toBeCloseTo(2 * Math.exp(2), 12);
  });

  it('refuses what needs no gradient', () => {
    expect(() => {
      backward(tensor([1]).sum());
    }).toThrow('does not require grad');
    expect(() => (tensor([1n]).requiresGrad = true)).toThrow('floating point');
    expect(() => leaf([1]).mul(2).grad).toThrow('only leaf tensors');
  });
});

describe('grad', () => {
  it('gives gradients without touching grad, null for unused inputs if allowed', () => {
    const [x, unused] = [leaf([3]), leaf([1])];
    const y = x.pow(3).sum();
    expect(() => grad(y, [x, unused], { retainGraph: true })).toThrow('not have been used');
    const [dx, none] = grad(y, [x, unused], { allowUnused: true });
    expect(dx!.item()).toBe(27);
    expect(none).toBeNull();
    expect(x.grad).toBeNull();
  });

  it('can be differentiated again: d²/dx² x⁴ = 12x²', () => {
    const x = leaf([2]);
    const [first] = grad(x.pow(4).sum(), [x], { createGraph: true });
    expect(first!.gradFunction).not.toBeNull();
    const [second] = grad(first!.sum(), [x], { createGraph: true });
    expect(second!.item()).toBe(48);
    expect(grad(second!.sum(), [x])[0]!.item()).toBe(48); // 24x
  });
});

describe('noGrad', () => {
  it('records nothing, also after an error', () => {
    const x = leaf([1]);
    expect(noGrad(() => x.mul(2).requiresGrad)).toBe(false);
    expect(noGrad(() => enableGrad(() => x.mul(2).requiresGrad))).toBe(true);
    expect(() =>
      noGrad(() => {
        throw new Error('stop');
      }),
    ).toThrow('stop');
    expect(isGradEnabled()).toBe(true);
  });

  it('refuses async functions', () => {
    expect(() => noGrad(() => Promise.resolve(1))).toThrow('noGrad() was given an async function');
    expect(isGradEnabled()).toBe(true);
  });
});

describe('hooks', () => {
  it('see and replace gradients, until removed', () => {
    const x = leaf([1, 2]);
    const seen: number[][] = [];
    const hook = registerHook(x, (gradient) => {
      seen.push(gradient.toArray());
      return gradient.mul(10);
    });
    backward(x.mul(3).sum());
    hook.remove();
    backward(x.mul(3).sum());
    expect(seen).toEqual([[3, 3]]);
    expect(x.grad!.toArray()).toEqual([33, 33]);
  });

  it('pass their errors on as the same object', () => {
    const x = leaf([1]);
    const error = new RangeError('from the hook');
    registerHook(x, () => {
      throw error;
    });
    expect(
      caught(() => {
        backward(x.mul(2).sum());
      }),
    ).toBe(error);
  });
});

/** x² with a gradient of its own. */
const square = customFunction<[Tensor]>({
  name: 'square',
  forward: (context, x) => {
    context.save(x);
    return x.mul(x);
  },
  backward: ([gradient], [x]) => [gradient!.mul(x!).mul(2)],
});

describe('customFunction', () => {
  it('has its own gradient, and double backward', () => {
    const x = leaf([3]);
    const [y] = square(x);
    expect(y!.item()).toBe(9);
    expect(y!.gradFunction).toBe('square');
    const [first] = grad(y!.sum(), [x], { createGraph: true });
    expect(first!.item()).toBe(6);
    expect(grad(first!.sum(), [x])[0]!.item()).toBe(2);
  });

  it('records nothing where no input needs it', () => {
    expect(square(tensor([2]))[0]!.requiresGrad).toBe(false);
    expect(noGrad(() => square(leaf([2]))[0]!.requiresGrad)).toBe(false);
  });

  it('can save its output', () => {
    const exp = customFunction<[Tensor]>({
      name: 'exp',
      forward: (context, x) => {
        const y = x.exp();
        context.save(y);
        return y;
      },
      backward: ([gradient], [y]) => [gradient!.mul(y!)],
    });
    const x = leaf([1]);
    const [first] = grad(exp(x)[0]!.sum(), [x], { createGraph: true });
    expect(first!.item()).toBeCloseTo(Math.E, 12);
    expect(grad(first!.sum(), [x])[0]!.item()).toBeCloseTo(Math.E, 12);
  });

  it('has several inputs and outputs; unused outputs have zero gradients', () => {
    const seen: number[][] = [];
    const sumAndDifference = customFunction<[Tensor, Tensor]>({
      name: 'sumAndDifference',
      forward: (_, a, b) => [a.add(b), a.sub(b)],
      backward: ([sum, difference]) => {
        seen.push(sum!.toArray(), difference!.toArray());
        return [sum!.add(difference!), null];
      },
    });
    const [a, b] = [leaf([1]), leaf([2])];
    const [, difference] = sumAndDifference(a, b);
    expect(grad(difference!.sum(), [a, b], { allowUnused: true }).map((each) => each?.item())).toEqual([1, undefined]);
    expect(seen).toEqual([[0], [1]]);
  });

  it('gives an input that is handed through a history of its own', () => {
    const identity = customFunction<[Tensor]>({
      name: 'identity',
      forward: (_, x) => x,
      backward: ([gradient]) => [gradient!.mul(5)],
    });
    const x = leaf([1]);
    backward(identity(x)[0]!.sum());
    expect(x.grad!.item()).toBe(5);
    expect(x.isLeaf).toBe(true);
  });

  const failing = (make: () => (Tensor | null)[]): ((x: Tensor) => Tensor[]) =>
    customFunction<[Tensor]>({ name: 'failing', forward: (_, x) => x.mul(1), backward: make });

  it('passes an error of backward on as the same object', () => {
    const error = new RangeError('from backward');
    const [y] = failing(() => {
      throw error;
    })(leaf([1]));
    const before = liveTensors();
    expect(
      caught(() => {
        backward(y!.sum());
      }),
    ).toBe(error);
    expect(
      caught(() => {
        backward(
          failing(() => {
            // eslint-disable-next-line @typescript-eslint/only-throw-error -- JavaScript allows it
            throw 'text';
          })(leaf([1]))[0]!.sum(),
        );
      }),
    ).toSatisfy((e) => String(e).includes('text'));
    expect(liveTensors() - before).toBeLessThan(10);
  });

  it('checks number, shape and kind of the gradients', () => {
    const run =
      (make: () => unknown): (() => void) =>
      () => {
        backward(failing(make as () => Tensor[])(leaf([1, 2]))[0]!.sum());
      };
    expect(run(() => [])).toThrow('failing: backward returned 0 gradients for 1 inputs');
    expect(run(() => [tensor([1]), tensor([1])])).toThrow('returned 2 gradients for 1 inputs');
    expect(run(() => [zeros([7])])).toThrow('invalid gradient');
    expect(run(() => ['x'])).toThrow();
    expect(run(() => 3)).toThrow();
    expect(run(() => undefined)).toThrow();
    const freed = tensor([1]);
    freed[Symbol.dispose]();
    expect(run(() => [freed])).toThrow('freed');
  });

  it('can run a backward of its own inside', () => {
    const nested = customFunction<[Tensor]>({
      name: 'nested',
      forward: (context, x) => {
        context.save(x);
        return x.exp();
      },
      backward: ([gradient], [x]) => {
        const inner = enableGrad(() => {
          const copy = x!.detach();
          copy.requiresGrad = true;
          return grad(copy.exp().sum(), [copy])[0]!;
        });
        return [gradient!.mul(inner)];
      },
    });
    const x = leaf([1]);
    backward(nested(x)[0]!.sum());
    expect(x.grad!.item()).toBeCloseTo(Math.E, 12);
  });

  it('is freed with its graph, closure included', async () => {
    let collected = 0;
    const registry = new FinalizationRegistry(() => collected++);
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 10)); // what earlier tests left is freed now
    const before = liveTensors();
    for (let i = 0; i < 20; i++) {
      scope(() => {
        const marker = { i };
        registry.register(marker, i);
        const f = customFunction<[Tensor]>({
          name: 'marked',
          forward: (context, x) => {
            context.save(x);
            return x.mul(1);
          },
          backward: ([gradient], [x]) => [gradient!.mul(x!).mul(marker.i)],
        });
        const x = leaf([1]);
        const [y] = f(x);
        if (i % 2 === 0) backward(y!.sum());
      });
    }
    for (let tries = 0; tries < 20 && collected < 19; tries++) {
      collectGarbage();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(collected).toBeGreaterThanOrEqual(19);
    expect(liveTensors()).toBeLessThanOrEqual(before);
  });
});

it('a whole step leaves no tensor behind', () => {
  const weight = leaf([1, 2]);
  const before = liveTensors();
  for (let i = 0; i < 3; i++) {
    scope(() => {
      backward(ops.mseLoss(weight.mul(2), zeros([2], { dtype: 'float64' })));
      noGrad(() => {
        weight.sub_(weight.grad!, { alpha: 0.1 });
        weight.grad = null;
      });
    });
  }
  expect(liveTensors()).toBe(before);
});

function caught(body: () => void): unknown {
  try {
    body();
  } catch (error) {
    return error;
  }
  return undefined;
}
