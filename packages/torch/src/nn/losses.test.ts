import { describe, expect, it } from 'vitest';
import { nn, tensor, type Tensor } from '../index.js';
import { expectClose, gradcheck } from '../testing/index.js';
import { ramp, rampLeaf } from './ramp.fixture.js';
import { references } from './references.generated.js';

const expected = references.crossEntropy;
const indices = tensor([2n, 0n, 1n, 2n]).keep();
const probabilities = (): Tensor => {
  const positive = ramp(4, 3).add(0.3).abs();
  return positive.div(positive.sum([1], { keepdim: true }));
};

describe('CrossEntropyLoss', () => {
  it.each<[keyof typeof expected, nn.CrossEntropyLossOptions]>([
    ['indices', {}],
    ['smooth', { labelSmoothing: 0.1 }],
    ['sum', { labelSmoothing: 0.1, reduction: 'sum' }],
    ['none', { reduction: 'none' }],
    ['weighted', { weight: tensor([0.5, 1, 2], { dtype: 'float64' }) }],
    ['ignored', { ignoreIndex: 2 }],
  ])('%s: is that of PyTorch, with its gradient', (name, options) => {
    const loss = new nn.CrossEntropyLoss(options);
    expectClose(loss.forward(ramp(4, 3), indices).reshape([-1]), expected[name]);
    gradcheck((x) => loss.forward(x, indices), [rampLeaf(4, 3)]);
  });

  it('takes probabilities for targets, and has gradients for them too', () => {
    for (const [labelSmoothing, value] of [
      [0, expected.probabilities],
      [0.2, expected.smoothProbabilities],
    ] as const) {
      const loss = new nn.CrossEntropyLoss({ labelSmoothing });
      expectClose(loss.forward(ramp(4, 3), probabilities()).reshape([-1]), value);
      const target = probabilities().clone();
      target.requiresGrad = true;
      gradcheck((x, q) => loss.forward(x, q), [rampLeaf(4, 3), target]);
    }
  });

  it('takes a picture of classes', () => {
    const target = tensor([[[2n, 0n], [1n, 1n]]]); // prettier-ignore
    expectClose(new nn.CrossEntropyLoss().forward(ramp(1, 3, 2, 2), target).reshape([-1]), expected.pixels);
  });

  it('by hand: mix-up of two one-hot targets is the mix of two losses', () => {
    const loss = new nn.CrossEntropyLoss();
    const logits = ramp(2, 3);
    const [a, b] = [tensor([0n, 1n]), tensor([2n, 1n])];
    const mixed = a
      .oneHot({ numClasses: 3 })
      .mul(0.7)
      .add(b.oneHot({ numClasses: 3 }).mul(0.3))
      .to('float64');
    const separately = loss.forward(logits, a).item() * 0.7 + loss.forward(logits, b).item() * 0.3;
    expectClose(loss.forward(logits, mixed), separately, { atol: 1e-7, rtol: 0 });
    expectClose(loss.forward(tensor([[0, Math.log(3)]]), tensor([1n])), Math.log(4 / 3));
  });

  it('refuses what it cannot weigh', () => {
    expect(() => new nn.CrossEntropyLoss({ labelSmoothing: 1.5 })).toThrow('labelSmoothing must be between 0 and 1');
    expect(() => new nn.CrossEntropyLoss({ reduction: 'average' as nn.Reduction })).toThrow(
      'reduction must be one of none, mean, sum, got average',
    );
    expect(() => new nn.CrossEntropyLoss().forward(ramp(1, 3), tensor([3n]))).toThrow();
  });
});

describe('MSELoss and BCEWithLogitsLoss', () => {
  it('MSELoss is the square of the difference', () => {
    const [input, target] = [tensor([1, 2, 3]), tensor([1, 4, 0])];
    expectClose(new nn.MSELoss().forward(input, target), 13 / 3);
    expectClose(new nn.MSELoss({ reduction: 'sum' }).forward(input, target), 13);
    expectClose(new nn.MSELoss({ reduction: 'none' }).forward(input, target), [0, 4, 9]);
    gradcheck((x, y) => new nn.MSELoss().forward(x, y), [rampLeaf(2, 3), rampLeaf(2, 3)]);
    expect(() => new nn.MSELoss().forward(ramp(3, 1), ramp(3))).toThrow(
      'MSELoss: target shape [3] does not match input shape [3, 1]',
    );
  });

  it('BCEWithLogitsLoss is that of PyTorch, and finite for large logits', () => {
    const posWeight = tensor([1, 2, 3], { dtype: 'float64' });
    const loss = new nn.BCEWithLogitsLoss({ reduction: 'none', posWeight });
    expectClose(loss.forward(ramp(2, 3).mul(2), ramp(2, 3).abs()).reshape([-1]), references.bceWithLogits);
    gradcheck((x) => loss.forward(x, ramp(2, 3).abs()), [rampLeaf(2, 3)]);
    expectClose(new nn.BCEWithLogitsLoss().forward(tensor([1000, -1000]), tensor([0, 0])), 500);
    expect(() => loss.forward(ramp(2, 3), ramp(3))).toThrow('BCEWithLogitsLoss: target shape [3]');
  });
});
