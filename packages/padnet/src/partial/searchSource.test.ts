import { noGrad, ops, tensor, type Tensor } from '@padnet/torch';
import { expectClose } from '@padnet/torch/testing';
import { describe, expect, it } from 'vitest';
import { mixParameter } from '../dynamic/index.js';
import { Mask } from './mask.js';
import type { PartialSource } from './partialSource.js';
import { scaleModes, type ScaleMode } from './scaleFactors.js';
import { SearchSource } from './searchSource.js';

const bank = [
  [1, 2, 3, 4],
  [5, 6, 7, 8],
];
const staticWeight = [10, 20, 30, 40];
const mask = [1, 0, 0, 1];

function source(isDynamic: number[] | null = mask, scaleMode: ScaleMode = 'both', phi = 0): SearchSource {
  const made = new SearchSource({
    bank: tensor(bank, { dtype: 'float64' }),
    staticWeight: tensor(staticWeight, { dtype: 'float64' }),
    ...(isDynamic && { mask: Mask.fromTensor(tensor(isDynamic)) }),
    scaleMode,
  });
  noGrad(() => made.phi?.fill_(phi));
  return made;
}

/** θ(x) = scale · Σ α_k bank_k + constant, coefficients 0.25 and 0.75 unless given */
function mixed(made: SearchSource | PartialSource, sumsToOne = true, coefficients = [0.25, 0.75]): Tensor {
  return mixParameter(tensor([coefficients], { dtype: made.bank.dtype }), made.effective(sumsToOne)).squeeze(0);
}

describe('SearchSource', () => {
  it('takes entries under the mask from the bank, the others from the static weight, whatever the mask becomes', () => {
    const made = source();
    expect(mixed(made).toArray()).toEqual([4, 20, 30, 7]);
    made.mask = Mask.fromTensor(tensor([0, 1, 1, 0]));
    expect(mixed(made).toArray()).toEqual([10, 5, 6, 40]);
    made.mask = Mask.empty([4]);
    expect(mixed(made).toArray()).toEqual(staticWeight);
  });

  it('is the bank itself while every entry is dynamic: nothing else is trained', () => {
    const made = source(null);
    for (const sumsToOne of [true, false]) {
      const { bank, constant } = made.effective(sumsToOne);
      expect([bank, constant]).toEqual([made.bank, null]);
    }
    expect(Array.from(made.namedParameters(), ([name]) => name)).toEqual(['bank', 'phi']);
    mixed(made).sum().backward();
    expect(made.bank.grad!.toArray()).toEqual([0.25, 0.25, 0.25, 0.25, 0.75, 0.75, 0.75, 0.75]);
  });

  it.each(scaleModes)('%s: toPartial is the same layer, at any mask', (mode) => {
    const made = source(null, mode, 0.7).eval();
    for (const isDynamic of [mask, [0, 0, 0, 0], [1, 1, 1, 1]]) {
      made.mask = Mask.fromTensor(tensor(isDynamic));
      const partial = made.toPartial(made.mask);
      expect(partial.training).toBe(false);
      for (const sumsToOne of [true, false])
        expectClose(mixed(partial, sumsToOne), mixed(made, sumsToOne), { atol: 1e-12 });
    }
  });

  it('gives the mask a gradient only where it is asked for, and the same output', () => {
    for (const isDynamic of [mask, [1, 1, 1, 1]]) {
      const made = source(isDynamic);
      expect(made.isScored).toBe(false);
      made.withMaskVariable((variable) => {
        expect(made.isScored).toBe(true);
        const output = mixed(made);
        expect(output.toArray()).toEqual([4, 5, 6, 7].map((value, j) => (isDynamic[j] ? value : staticWeight[j])));
        output.sum().backward();
        // ∂θ/∂M = Σ α_k Θ_k − Θ_s
        expect(variable.grad!.toArray()).toEqual([4 - 10, 5 - 20, 6 - 30, 7 - 40]);
      });
      expect(made.mask.toTensor().toArray()).toEqual(isDynamic);
    }
  });

  it('takes the mean so that static entries go on as λ_d · mean at uniform coefficients', () => {
    const made = source(null, 'both', 0.4);
    const before = mixed(made, true, [0.5, 0.5]);
    made.meanIntoStatic();
    expectClose(mixed(made.toPartial(Mask.fromTensor(tensor(mask))), true, [0.5, 0.5]), before, { atol: 1e-12 });
  });

  it('shares the memory that it was given', () => {
    const given = ops.ones([2, 3]);
    const made = new SearchSource({ bank: given, staticWeight: ops.zeros([3]) });
    given.mul_(2);
    expect(made.bank.toArray()).toEqual([2, 2, 2, 2, 2, 2]);
  });

  it('refuses a mask of another shape', () => {
    expect(() => (source().mask = Mask.full([2, 2]))).toThrow('mask shape [2, 2] does not match bank entry [4]');
    expect(() => new SearchSource({ bank: ops.ones([2, 3]), staticWeight: ops.ones([4]) })).toThrow(
      'bank entries [3] and static weight [4] differ',
    );
  });
});
