import { liveTensors, noGrad, ops, optim, randn, scope, tensor, type Tensor } from '@padnet/torch';
import { expectClose } from '@padnet/torch/testing';
import { describe, expect, it } from 'vitest';
import { Mask } from './mask.js';
import { PartialSource } from './partialSource.js';
import { scaleModes } from './scaleFactors.js';

const bank = [
  [1, 2, 3, 4],
  [5, 6, 7, 8],
];
const staticWeight = [10, 20, 30, 40];
const mask = [1, 0, 0, 1];

function source(scaleMode: (typeof scaleModes)[number] = 'both', phi = 0): PartialSource {
  const made = new PartialSource({
    bank: tensor(bank, { dtype: 'float64' }),
    staticWeight: tensor(staticWeight, { dtype: 'float64' }),
    mask: Mask.fromTensor(tensor(mask)),
    scaleMode,
  });
  noGrad(() => made.phi?.fill_(phi));
  return made;
}

/** θ(x) = scale · Σ α_k bank_k + constant */
function mixed(made: PartialSource, coefficients: readonly number[], sumsToOne: boolean): Tensor {
  const { bank, scale, constant } = made.effective(sumsToOne);
  const mixture = tensor([...coefficients], { dtype: bank!.dtype }).matmul(bank!);
  const dynamic = scale ? mixture.mul(scale) : mixture;
  return constant ? dynamic.add(constant) : dynamic;
}

describe('PartialSource', () => {
  it('takes entries under the mask from the bank, the others from the static weight', () => {
    expect(mixed(source(), [0.25, 0.75], true).toArray()).toEqual([4, 20, 30, 7]);
  });

  it.each(scaleModes)('%s: folded and unfolded are equal, and equal the formula', (mode) => {
    const phi = 0.7;
    const lambda = 2 / (1 + Math.exp(-phi));
    const dynamic = mode === 'both' || mode === 'dynamic' ? lambda : 1;
    const fixed = mode === 'both' || mode === 'static' ? 2 - lambda : 1;
    const expected = [4 * dynamic, 20 * fixed, 30 * fixed, 7 * dynamic];
    for (const sumsToOne of [true, false]) expectClose(mixed(source(mode, phi), [0.25, 0.75], sumsToOne), expected);
  });

  it('needs no coefficients that sum to 1 where told so', () => {
    expect(mixed(source(), [0.5, 1], false).toArray()).toEqual([5.5, 20, 30, 10]);
  });

  it('gives the same in evaluation, where it is computed once, and notices every change', () => {
    const made = source().eval();
    const run = (): number[] => noGrad(() => mixed(made, [0.25, 0.75], true).toArray());
    expect(run()).toEqual([4, 20, 30, 7]);
    expect(noGrad(() => made.effective(true).bank!.handle === made.effective(true).bank!.handle)).toBe(true);
    made.mask = Mask.fromTensor(tensor([0, 1, 1, 0]));
    expect(run()).toEqual([10, 5, 6, 40]);
    noGrad(() => made.bank.mul_(2));
    expect(run()).toEqual([10, 10, 12, 40]);
    noGrad(() => made.staticWeight.zero_());
    expect(run()).toEqual([0, 10, 12, 0]);
    made.loadStateDict(source().stateDict());
    expect(run()).toEqual([4, 20, 30, 7]);
    made.to('float32');
    expect(noGrad(() => made.effective(true).bank!.dtype)).toBe('float32');
  });

  it('notices a change between two moves, after which versions count anew', () => {
    const made = source().to('float32').to('float64').eval();
    const run = (): number[] => noGrad(() => mixed(made, [0.25, 0.75], true).toArray());
    expect(run()).toEqual([4, 20, 30, 7]);
    made.to('float32');
    noGrad(() => made.bank.mul_(2));
    made.to('float64');
    expect(run()).toEqual([8, 20, 30, 14]);
  });

  it('keeps no merged bank through training', () => {
    const made = source().eval();
    noGrad(() => scope(() => mixed(made, [0.25, 0.75], true).toArray()));
    const evaluated = liveTensors();
    scope(() => made.train().maskTensor());
    expect(liveTensors()).toBe(evaluated - 1);
  });

  it('gives the mask a gradient only where it is asked for, and the same output', () => {
    const made = source();
    made.withMaskVariable((variable) => {
      const output = mixed(made, [0.25, 0.75], true);
      expect(output.toArray()).toEqual([4, 20, 30, 7]);
      output.sum().backward();
      // ∂θ/∂M = Σ α_k Θ_k − Θ_s
      expect(variable.grad!.toArray()).toEqual([4 - 10, 5 - 20, 6 - 30, 7 - 40]);
    });
    expect(made.mask.toTensor().toArray()).toEqual(mask);
  });

  it('folds the mean so that static entries go on as λ_d · mean at uniform coefficients', () => {
    const made = source('both', 0.4);
    const before = source('both', 0.4);
    before.mask = Mask.full([4]);
    made.foldMean();
    expectClose(mixed(made, [0.5, 0.5], true), mixed(before, [0.5, 0.5], true), { atol: 1e-12 });
  });

  it('has a gradient only for entries in use', () => {
    const made = source();
    mixed(made, [0.25, 0.75], true).sum().backward();
    expect(made.bank.grad!.toArray()).toEqual([0.25, 0, 0, 0.25, 0.75, 0, 0, 0.75]);
    expect(made.staticWeight.grad!.toArray()).toEqual([0, 1, 1, 0]);
  });

  it('refuses a mask of another shape', () => {
    expect(() => (source().mask = Mask.full([2, 2]))).toThrow('mask shape [2, 2] does not match bank entry [4]');
    expect(() => new PartialSource({ bank: randn([2, 3]), staticWeight: randn([4]) })).toThrow(
      'bank entries [3] and static weight [4] differ',
    );
  });

  it('leaks nothing, in training and in evaluation', () => {
    const made = source();
    const optimizer = new optim.SGD(made.namedParameters(), { learningRate: 0.1 });
    const step = (): void => {
      scope(() => {
        made.train();
        ops
          .square(mixed(made, [0.25, 0.75], true))
          .sum()
          .backward();
        optimizer.step();
        made.zeroGrad();
        made.eval();
        noGrad(() => mixed(made, [0.25, 0.75], false));
      });
    };
    step();
    const before = liveTensors();
    for (let i = 0; i < 20; i++) step();
    expect(liveTensors()).toBe(before);
  });
});
