import { grad, randn, tensor, type Tensor } from '@padnet/torch';
import { expectClose } from '@padnet/torch/testing';
import { describe, expect, it } from 'vitest';
import { mixParameter } from '../dynamic/index.js';
import { Mask } from './mask.js';
import { partialParameter, partialTerms, storedNumbers, type PartialParameter } from './partialParameter.js';
import { PartialSource } from './partialSource.js';
import { scaleFactors, scaleModes } from './scaleFactors.js';

const double = (values: unknown): Tensor => tensor(values as number[], { dtype: 'float64' });

describe('partialParameter', () => {
  const bank = double([
    [1, 2, 3, 4],
    [5, 6, 7, 8],
  ]);
  const staticWeight = double([10, 20, 30, 40]);
  const coefficients = double([
    [0.25, 0.75],
    [1, 0.5],
  ]);

  it('is λ_d M ⊙ Σ α_k Θ_k + λ_s (1 − M) ⊙ Θ_s, for each input', () => {
    const factors = { dynamic: double(1.5), static: double(0.5) };
    for (const mask of [tensor([true, false, false, true]), double([1, 0, 0, 1])])
      expectClose(partialParameter(coefficients, { bank, staticWeight, mask, factors }), [
        [6, 10, 15, 10.5],
        [5.25, 10, 15, 12],
      ]);
  });

  it.each(scaleModes)(
    '%s: is the same from its terms, the constant in the bank or beside it, with all gradients',
    (mode) => {
      const mask = double([1, 0, 0.25, 1]); // as a variable of the search
      const phi = mode === 'none' ? null : double(0.7);
      const leaves = [bank, staticWeight, mask, ...(phi ? [phi] : [])];
      for (const leaf of leaves) leaf.requiresGrad = true;
      const parameter = (): PartialParameter => ({ bank, staticWeight, mask, factors: scaleFactors(phi, mode) });
      const ones = double([[0.25, 0.75], [1.5, -0.5]]); // prettier-ignore
      const results = (theta: Tensor): Tensor[] => {
        const gradients = grad(theta.square().sum(), leaves, { allowUnused: true });
        return [theta, ...gradients].filter((each) => each !== null);
      };
      const expected = results(partialParameter(ones, parameter()));
      for (const sumsToOne of [true, false]) {
        const found = results(mixParameter(ones, partialTerms({ ...parameter(), bank: bank.mul(mask) }, sumsToOne)));
        for (const [index, tensor] of found.entries()) expectClose(tensor, expected[index]!, { rtol: 1e-12 });
      }
    },
  );
});

it('counts what a partial source stores', () => {
  const mask = Mask.fromTensor(tensor([1, 0, 0, 1, 0, 1, 0]));
  const { bank, staticWeight } = new PartialSource({ bank: randn([4, 7]), staticWeight: randn([7]), mask });
  expect(storedNumbers(7, mask.count, 4)).toBe(bank.numel + staticWeight.numel);
  expect([storedNumbers(7, 0, 4), storedNumbers(7, 7, 4)]).toEqual([7, 28]);
});
