import { describe, expect, it } from 'vitest';
import { nn, tensor } from '../index.js';
import { expectClose, gradcheck } from '../testing/index.js';
import { ramp, rampLeaf } from './ramp.fixture.js';
import { references } from './references.generated.js';

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

describe('activations', () => {
  it.each<[string, nn.Layer, (x: number) => number]>([
    ['ReLU', new nn.ReLU(), (x) => Math.max(0, x)],
    ['ReLU6', new nn.ReLU6(), (x) => Math.min(6, Math.max(0, x))],
    ['SiLU', new nn.SiLU(), (x) => x * sigmoid(x)],
    ['Sigmoid', new nn.Sigmoid(), sigmoid],
    ['Tanh', new nn.Tanh(), Math.tanh],
  ])('%s is its formula, with its gradient', (_, layer, formula) => {
    const values = [-7, -1.5, -0.25, 0.25, 3, 5.5, 8];
    const input = tensor(values, { dtype: 'float64', requiresGrad: true });
    expectClose(layer.forward(input), values.map(formula), { atol: 1e-14, rtol: 1e-14 });
    gradcheck((x) => layer.forward(x), [input]);
  });

  it('GELU is that of PyTorch, exact and approximated', () => {
    expectClose(new nn.GELU().forward(ramp(6).mul(3)), references.gelu);
    expectClose(new nn.GELU({ approximate: 'tanh' }).forward(ramp(6).mul(3)), references.geluTanh);
    for (const layer of [new nn.GELU(), new nn.GELU({ approximate: 'tanh' })]) {
      gradcheck((x) => layer.forward(x), [rampLeaf(6)]);
    }
  });

  it('Softmax sums to one along its dimension', () => {
    const [a, b] = [Math.exp(1) / (Math.exp(1) + Math.exp(3)), Math.exp(3) / (Math.exp(1) + Math.exp(3))];
    const input = tensor([[1, 3], [3, 1]], { dtype: 'float64' }); // prettier-ignore
    expectClose(new nn.Softmax({ dim: 1 }).forward(input), [[a, b], [b, a]]); // prettier-ignore
    expectClose(new nn.Softmax({ dim: 0 }).forward(input), [[a, b], [b, a]]); // prettier-ignore
    expectClose(new nn.Softmax({ dim: -1 }).forward(ramp(2, 3)).sum([0]), ramp(2, 3).softmax(1).sum([0]));
    gradcheck((x) => new nn.Softmax({ dim: 1 }).forward(x), [rampLeaf(2, 3)]);
    expect(() => new nn.Softmax({ dim: 0.5 })).toThrow('dim must be a whole number, got 0.5');
  });
});
