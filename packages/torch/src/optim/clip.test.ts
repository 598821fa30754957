import { describe, expect, it } from 'vitest';
import { liveTensors, nn, optim, tensor, zeros } from '../index.js';
import { references } from './references.generated.js';

function parameters(): nn.Parameter[] {
  const [w, b, unused] = [new nn.Parameter(zeros([3])), new nn.Parameter(zeros([1])), new nn.Parameter(zeros([2]))];
  w.grad = tensor([1, -2, 3]);
  b.grad = tensor([0.7]);
  return [w, b, unused];
}

const gradients = (list: readonly nn.Parameter[]): number[] => list.flatMap(({ grad }) => grad?.toArray() ?? []);

describe('clipGradNorm', () => {
  it('scales to the norm, as PyTorch does to the bit, and leaves smaller gradients alone', () => {
    for (const [i, maxNorm] of [1, 100].entries()) {
      const list = parameters();
      const norm = optim.clipGradNorm(list, maxNorm);
      expect([norm, ...gradients(list)]).toEqual(references.clipped[i]);
    }
  });

  it('returns a norm that is not finite and changes nothing', () => {
    const list = parameters();
    list[1]!.grad = tensor([Infinity]);
    expect(optim.clipGradNorm(list, 1)).toBe(Infinity);
    expect(gradients(list)).toEqual([1, -2, 3, Infinity]);
    list[1]!.grad = tensor([NaN]);
    expect(optim.clipGradNorm(list, 1)).toBeNaN();
  });

  it('leaks nothing, and has nothing to do without gradients', () => {
    const list = parameters();
    const live = liveTensors();
    optim.clipGradNorm(list, 1);
    optim.clipGradValue(list, 1);
    expect(liveTensors()).toBe(live);
    expect(optim.clipGradNorm([list[2]!], 1)).toBe(0);
    expect(() => optim.clipGradNorm(list, NaN)).toThrow('maxNorm must be a finite number of at least 0, got NaN');
  });
});

it('takes parameters with their names, and refuses a module', () => {
  const named: [string, nn.Parameter][] = parameters().map((parameter, i) => [`p${i}`, parameter]);
  expect(optim.clipGradNorm(named, 1)).toBe(references.clipped[0][0]);
  const net = new nn.Linear({ inFeatures: 1, outFeatures: 1 });
  expect(() => optim.clipGradNorm(net as never, 1)).toThrow(
    'clipGradNorm: expected parameters, got a module: give its namedParameters()',
  );
  expect(() => {
    optim.clipGradValue(undefined as never, 1);
  }).toThrow('clipGradValue: expected parameters');
});

it('clipGradValue clips each element', () => {
  const list = parameters();
  optim.clipGradValue(list, 1.5);
  expect(gradients(list)).toEqual([1, -1.5, 1.5, Math.fround(0.7)]);
  expect(() => {
    optim.clipGradValue(list, -1);
  }).toThrow('maxValue must be');
});
