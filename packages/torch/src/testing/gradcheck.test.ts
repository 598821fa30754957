import { describe, expect, it } from 'vitest';
import { customFunction, rand, tensor, type Tensor } from '../index.js';
import { gradcheck } from './gradcheck.js';

const leaf = (values: number[][]): Tensor => tensor(values, { dtype: 'float64', requiresGrad: true });

describe('gradcheck', () => {
  it('accepts right gradients and counts what it compared', () => {
    const x = leaf([[0.5, -1.5], [2, 3]]); // prettier-ignore
    const w = leaf([[1, 2]]);
    const { checked, largestError } = gradcheck((a, b) => [a.exp().mul(b), a.sin()], [x, w]);
    expect(checked).toBe(6);
    expect(largestError).toBeGreaterThan(0);
    expect(largestError).toBeLessThan(1e-6);
    expect(x.grad).toBeNull();
    expect(x.toArray()).toEqual([0.5, -1.5, 2, 3]);
  });

  it('finds one wrong entry and names it', () => {
    const wrong = customFunction<[Tensor]>({
      name: 'WrongSquare',
      forward: (context, x) => {
        context.save(x);
        return x.mul(x);
      },
      backward: ([gradient], [x]) => {
        const result = gradient!.mul(x!).mul(2);
        result.data[1] = 1000;
        return [result];
      },
    });
    expect(() => gradcheck((x) => wrong(x), [leaf([[1, 2], [3, 4]])])) // prettier-ignore
      .toThrow(
        /gradcheck: the gradient is wrong by up to [\d.]+, worst for input 0 at \[0, 1\]: autograd gives 1000, /,
      );
  });

  it('takes an unused input to have a gradient of zero', () => {
    expect(gradcheck((a) => a.mul(2), [leaf([[1]]), leaf([[5]])]).checked).toBe(2);
  });

  it('finds a gradient that was detached', () => {
    expect(() => gradcheck((x) => x.mul(x.detach()), [leaf([[3]])])).toThrow('input 0 at [0, 0]');
  });

  it('refuses functions and inputs that it cannot judge', () => {
    expect(() => gradcheck((x) => x.mul(rand([1], { dtype: 'float64' })), [leaf([[1]])])).toThrow(
      'seed what is random',
    );
    expect(() => gradcheck((x) => x, [tensor([1], { requiresGrad: true })])).toThrow('input 0 is of float32');
    expect(() => gradcheck((x) => x, [tensor([1], { dtype: 'float64' })])).toThrow('input 0 does not require');
    expect(() => gradcheck((x) => x, [leaf([[1]]).mul(2)])).toThrow('input 0 is not a leaf');
    expect(() => gradcheck((x) => x.to('float32'), [leaf([[1]])])).toThrow('output 0 is of float32');
  });
});
