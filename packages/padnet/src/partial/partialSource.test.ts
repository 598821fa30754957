import { liveTensors, noGrad, ops, optim, rand, randn, scope, tensor, type Tensor } from '@padnet/torch';
import { expectClose, gradcheck } from '@padnet/torch/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mixParameter } from '../dynamic/index.js';
import { Mask } from './mask.js';
import { PartialSource } from './partialSource.js';
import { partialParameter, storedNumbers } from './partialParameter.js';
import { scaleFactors, scaleModes } from './scaleFactors.js';
import { wholeParameter } from './wholeParameter.test.fixture.js';

const bank = [
  [1, 2, 3, 4],
  [5, 6, 7, 8],
];
const staticWeight = [10, 20, 30, 40];
const mask = [1, 0, 0, 1];

function dense(): { bank: Tensor; staticWeight: Tensor } {
  return { bank: tensor(bank, { dtype: 'float64' }), staticWeight: tensor(staticWeight, { dtype: 'float64' }) };
}

function source(scaleMode: (typeof scaleModes)[number] = 'both', phi = 0): PartialSource {
  const made = new PartialSource({ ...dense(), mask: Mask.fromTensor(tensor(mask)), scaleMode });
  noGrad(() => made.phi?.fill_(phi));
  return made;
}

/** θ(x) = scale · Σ α_k bank_k + constant */
function mixed(made: PartialSource, coefficients: readonly number[], sumsToOne: boolean): Tensor {
  return mixParameter(tensor([[...coefficients]], { dtype: made.bank.dtype }), made.effective(sumsToOne)).squeeze(0);
}

describe('PartialSource', () => {
  it('takes entries under the mask from the bank, the others from the static weight', () => {
    expect(mixed(source(), [0.25, 0.75], true).toArray()).toEqual([4, 20, 30, 7]);
  });

  it.each(scaleModes)('%s: the constant in the bank and beside it are equal, and equal the formula', (mode) => {
    const phi = 0.7;
    const lambda = 2 / (1 + Math.exp(-phi));
    const dynamic = mode === 'both' || mode === 'dynamic' ? lambda : 1;
    const lambdaS = mode === 'both' || mode === 'static' ? 2 - lambda : 1;
    const expected = [4 * dynamic, 20 * lambdaS, 30 * lambdaS, 7 * dynamic];
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
    noGrad(() => made.bank.mul_(2));
    expect(run()).toEqual([8, 20, 30, 14]);
    noGrad(() => made.staticWeight.zero_());
    expect(run()).toEqual([8, 0, 0, 14]);
    const other = new PartialSource({ ...dense(), mask: Mask.fromTensor(tensor([0, 1, 1, 0])) });
    made.loadStateDict(other.stateDict());
    expect(run()).toEqual([10, 5, 6, 40]);
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
    scope(() => mixed(made.train(), [0.25, 0.75], true).toArray());
    expect(liveTensors()).toBe(evaluated - 1);
  });

  it('holds the numbers in use, and their gradients', () => {
    const made = source();
    expect(made.bank.toArray()).toEqual([1, 4, 5, 8]);
    expect(made.bank.shape).toEqual([2, 2]);
    expect(made.staticWeight.toArray()).toEqual([20, 30]);
    expect([made.shape, made.numKernels, made.dynamicRatio]).toEqual([[4], 2, 0.5]);
    expect(made.maskTensor().toArray()).toEqual(mask);
    mixed(made, [0.25, 0.75], true).sum().backward();
    expect(made.bank.grad!.toArray()).toEqual([0.25, 0.25, 0.75, 0.75]);
    expect(made.staticWeight.grad!.toArray()).toEqual([1, 1]);
  });

  it.each(scaleModes)(
    '%s: gradients are those of finite differences, the constant in the bank or beside it',
    (mode) => {
      const made = new PartialSource({
        bank: randn([3, 6], { dtype: 'float64' }),
        staticWeight: randn([6], { dtype: 'float64' }),
        mask: Mask.fromBits([6], Uint8Array.of(0b101100)),
        scaleMode: mode,
        phi: tensor(0.4, { dtype: 'float64' }),
      });
      for (const sumsToOne of [true, false])
        gradcheck(() => mixed(made, [0.5, 0.2, 0.3], sumsToOne), made.parameters());
    },
  );

  it('is the dense formula for any mask, every and no entry dynamic included', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 30 }),
        fc.constantFrom(0, 0.3, 0.7, 1),
        fc.boolean(),
        (numKernels, size, ratio, sumsToOne) => {
          scope(() => {
            const weights = { bank: randn([numKernels, size, 2]), staticWeight: randn([size, 2]) };
            const isDynamic = rand([size, 2]).lt(ratio);
            const made = new PartialSource({ ...weights, mask: Mask.fromTensor(isDynamic) });
            expect(made.bank.numel + made.staticWeight.numel).toBe(
              storedNumbers(2 * size, made.mask.count, numKernels),
            );
            const coefficients = ops.softmax(randn([3, numKernels]), 1);
            const factors = scaleFactors(null, 'none');
            const expected = partialParameter(coefficients, { ...weights, mask: isDynamic, factors });
            expect(made.effective(sumsToOne).bank!.shape).toEqual([numKernels, size, 2]);
            expectClose(mixParameter(coefficients, made.effective(sumsToOne)), expected, { atol: 1e-6 });
            expectClose(partialParameter(coefficients, wholeParameter(made)), expected, { atol: 1e-6 });
          });
        },
      ),
      { numRuns: 60 },
    );
  });

  it('starts as zeros where its numbers are loaded', () => {
    const made = PartialSource.empty({ numKernels: 2, mask: Mask.fromTensor(tensor(mask)), dtype: 'float64' });
    expect(mixed(made, [0.25, 0.75], true).toArray()).toEqual([0, 0, 0, 0]);
    made.loadStateDict(source().stateDict());
    expect(mixed(made, [0.25, 0.75], true).toArray()).toEqual([4, 20, 30, 7]);
    expect(PartialSource.empty({ numKernels: 2, mask: made.mask, scaleMode: 'none' }).phi).toBeNull();
  });

  it('refuses a mask of another shape', () => {
    expect(() => new PartialSource({ ...dense(), mask: Mask.full([2, 2]) })).toThrow(
      'mask shape [2, 2] does not match bank entry [4]',
    );
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
