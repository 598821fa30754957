/** Batch norm fused with residual and activation: the numbers of libtorch's operators one after the other. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batchNormActivation, type Activation } from '../nativeOperators.js';
import { backward, grad, nn, noGrad, ops, randn, scope, tensor, type DType, type Tensor } from '../index.js';
import { expectClose, gradcheck } from '../testing/index.js';

const activations: readonly Activation[] = ['none', 'relu', 'relu6'];

interface Case {
  readonly shape: readonly [number, number, number, number];
  readonly dtype: DType;
  readonly channelsLast: boolean;
  readonly activation: Activation;
  readonly hasResidual: boolean;
  readonly training: boolean;
  readonly momentum: number | null;
}

const cases: fc.Arbitrary<Case> = fc.record({
  shape: fc
    .oneof(
      fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 9 }), fc.nat(9), fc.nat(9)),
      fc.constantFrom(
        [1, 1, 1, 2] as const,
        [3, 70, 15, 17] as const,
        [2, 3, 97, 101] as const,
        [7, 130, 5, 5] as const,
      ),
    )
    .map(([batch, channels, height, width]) => [batch, channels, height, width] as const),
  dtype: fc.constantFrom('float32', 'float64'),
  channelsLast: fc.boolean(),
  activation: fc.constantFrom(...activations),
  hasResidual: fc.boolean(),
  training: fc.boolean(),
  momentum: fc.constantFrom(0.1, null),
});

function layerOf({ shape, dtype, training, momentum }: Case, activation: Activation): nn.BatchNorm2d {
  const layer = new nn.BatchNorm2d({ numFeatures: shape[1], activation, momentum }).to(dtype).train(training);
  const ramp = (from: number, to: number): Tensor => ops.linspace(from, to, shape[1], { dtype });
  noGrad(() => {
    layer.weight!.copy_(ramp(-1, 2));
    layer.bias!.copy_(ramp(3, -1));
    layer.runningMean!.copy_(ramp(2, 5));
    layer.runningVar!.copy_(ramp(1, 2));
  });
  return layer;
}

/** As before there was a fused operator. */
function composed(layer: nn.BatchNorm2d, activation: Activation, x: Tensor, residual: Tensor | null): Tensor {
  return activated(normalised(layer, x, residual), activation);
}

function normalised(layer: nn.BatchNorm2d, x: Tensor, residual: Tensor | null): Tensor {
  const { weight, bias, runningMean, runningVar, training, eps } = layer;
  const momentum = layer.momentum ?? 1; // of the first batch
  const normal = ops.batchNorm(x, weight, bias, runningMean, runningVar, training, momentum, eps, true);
  return residual ? normal.add(residual) : normal;
}

function activated(sum: Tensor, activation: Activation): Tensor {
  if (activation === 'none') return sum;
  return activation === 'relu' ? sum.relu() : ops.hardtanh(sum, { minVal: 0, maxVal: 6 });
}

const leaf = (value: Tensor): Tensor => {
  const copy = value.detach().clone();
  copy.requiresGrad = true;
  return copy;
};

describe('batch norm with residual and activation', () => {
  it('gives the values, gradients and running statistics of the composition', () => {
    fc.assert(
      fc.property(cases, (one) => {
        scope(() => {
          const { shape, dtype, channelsLast, activation, hasResidual, training } = one;
          const statistics = shape[0] * shape[2] * shape[3];
          fc.pre(statistics !== 1 || !training); // one number has no variance
          const made = (): Tensor =>
            leaf(
              randn(shape, { dtype })
                .mul(2)
                .add(3)
                .contiguous({ memoryFormat: channelsLast ? 'channels_last' : 'contiguous' }),
            );
          const [layer, plain] = [layerOf(one, activation), layerOf(one, 'none')];
          const [x, residual, weights] = [made(), made(), randn(shape, { dtype })];
          const [otherX, otherResidual] = [leaf(x), leaf(residual)];
          const y = layer.forward(x, hasResidual ? residual : null);
          const sum = normalised(plain, otherX, hasResidual ? otherResidual : null);
          const expected = activated(sum, activation);
          expect(y.isContiguous || channelsLast).toBe(true);
          const tolerance = dtype === 'float32' ? { atol: 2e-4, rtol: 1e-4 } : { atol: 1e-11, rtol: 1e-11 };
          expectClose(y, expected, tolerance);
          // At a kink of the activation rounding decides which slope it has.
          const isSmooth = ops.logicalAnd(sum.abs().gt(1e-3), sum.sub(6).abs().gt(1e-3));
          const gradients = [weights.mul(isSmooth.to(dtype))];
          backward(y, { gradients });
          backward(expected, { gradients });
          expectClose(x.grad!, otherX.grad!, tolerance);
          if (hasResidual) expectClose(residual.grad!, otherResidual.grad!, tolerance);
          if (statistics === 0) return; // libtorch's running statistics of nothing are NaN; ours stay
          for (const name of ['weight', 'bias'] as const) {
            expectClose(layer[name]!.grad!, plain[name]!.grad!, { atol: tolerance.atol * 50, rtol: tolerance.rtol });
          }
          for (const name of ['runningMean', 'runningVar'] as const) expectClose(layer[name]!, plain[name]!, tolerance);
        });
      }),
      { numRuns: 150 },
    );
  });

  it.each(activations)('%s: gradients by finite differences, training and evaluating', (kind) => {
    for (const training of [true, false]) {
      for (const memoryFormat of ['contiguous', 'channels_last'] as const) {
        const layer = new nn.BatchNorm2d({ numFeatures: 3, activation: kind, eps: 0.1 }).to('float64').train(training);
        const ordered = (x: Tensor): Tensor => x.contiguous({ memoryFormat });
        const [x, residual] = [
          leaf(randn([2, 3, 2, 3], { dtype: 'float64' })),
          leaf(randn([2, 3, 2, 3], { dtype: 'float64' })),
        ];
        const parameters = layer.parameters();
        gradcheck((a, b) => layer.forward(ordered(a), ordered(b)), [x, residual, ...parameters]);
        gradcheck((a) => layer.forward(ordered(a)), [x, ...parameters]);
      }
    }
  });

  it.each(activations)('%s: the gradient of the gradient is that of the composition', (kind) => {
    for (const training of [true, false]) {
      for (const hasResidual of [true, false]) {
        const build = (activation: Activation): nn.BatchNorm2d =>
          new nn.BatchNorm2d({ numFeatures: 3, activation }).to('float64').train(training);
        const x = randn([4, 3, 2, 3], { dtype: 'float64' });
        const residual = hasResidual ? randn(x.shape, { dtype: 'float64' }) : null;
        const secondOrder = (layer: nn.BatchNorm2d, forward: (x: Tensor) => Tensor): Tensor[] => {
          const input = leaf(x);
          const [first] = grad(forward(input).square().sum(), [input], { createGraph: true });
          first!.square().sum().backward();
          return [first!.detach(), input.grad!, layer.weight!.grad!];
        };
        const [layer, plain] = [build(kind), build('none')];
        const fused = secondOrder(layer, (input) => layer.forward(input, residual));
        const expected = secondOrder(plain, (input) => composed(plain, kind, input, residual));
        for (const [i, value] of fused.entries()) expectClose(value, expected[i]!, { atol: 1e-9, rtol: 1e-9 });
      }
    }
  });

  it('by hand: mean 2, variance 1, and what the activation stops has no gradient', () => {
    const layer = new nn.BatchNorm2d({ numFeatures: 1, eps: 0, activation: 'relu' });
    const residual = leaf(tensor([[[[0.5, 2]]]]));
    const y = layer.forward(tensor([[[[1, 3]]]]), residual);
    expectClose(y, [[[[0, 3]]]]);
    y.sum().backward();
    expectClose(residual.grad!, [[[[0, 1]]]]);
  });

  it('keeps what is not finite in its channel', () => {
    const layer = new nn.BatchNorm2d({ numFeatures: 2, activation: 'relu' });
    const x = tensor([[[[1, Infinity]], [[1, 3]]]]);
    expect(layer.forward(x).toArray().map(Number.isNaN)).toEqual([true, true, false, false]);
    const evaluated = new nn.BatchNorm2d({ numFeatures: 2, activation: 'relu6' }).eval();
    expect(evaluated.forward(x).toArray().slice(0, 2)).toEqual([expect.closeTo(1, 4), 6]);
  });

  it('gives the same bits again, whatever the layout of the gradient', () => {
    const layer = new nn.BatchNorm2d({ numFeatures: 64, activation: 'relu' });
    const x = leaf(randn([4, 64, 30, 31]).contiguous({ memoryFormat: 'channels_last' }));
    const gradient = randn([4, 64, 30, 31]);
    const run = (given: Tensor): number[] => {
      x.grad = null;
      backward(layer.forward(x), { gradients: [given] });
      return x.grad!.toArray();
    };
    expect(run(gradient.contiguous({ memoryFormat: 'channels_last' }))).toEqual(run(gradient));
  });

  it('refuses what does not fit', () => {
    const layer = new nn.BatchNorm2d({ numFeatures: 2, activation: 'relu' });
    expect(() => layer.forward(randn([2, 3, 4, 4]))).toThrow('weight must be a contiguous Float [3] on the CPU');
    expect(() => layer.forward(randn([2, 2, 4, 4]), randn([2, 2, 4, 1]))).toThrow(
      'residual must be as the input, Float [2, 2, 4, 4], got Float [2, 2, 4, 1]',
    );
    const one = randn([2]);
    const call =
      (activation: string): (() => Tensor) =>
      () =>
        batchNormActivation(
          randn([1, 2, 3, 3]),
          one,
          one,
          null,
          null,
          null,
          false,
          0.1,
          1e-5,
          activation as Activation,
        );
    expect(call('relu')).toThrow("without the batch's statistics, running ones are needed");
    expect(call('gelu')).toThrow("activation must be 'none', 'relu' or 'relu6', got 'gelu'");
  });

  it('falls back to libtorch for other dtypes, and without γ and β', () => {
    const half = new nn.BatchNorm2d({ numFeatures: 2, activation: 'relu' }).to('bfloat16');
    expect(half.forward(randn([2, 2, 3, 3]).to('bfloat16')).dtype).toBe('bfloat16');
    const bare = new nn.BatchNorm2d({ numFeatures: 1, affine: false, eps: 0, activation: 'relu6' });
    expectClose(bare.forward(tensor([[[[1, 3]]]]), tensor([[[[0, 9]]]])), [[[[0, 6]]]]);
  });
});
