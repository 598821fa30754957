import { describe, expect, it } from 'vitest';
import { nn, randn, tensor, zeros, type Tensor } from '../index.js';
import { expectClose, gradcheck } from '../testing/index.js';
import { expectProbe, withGivenNumbers } from './probe.fixture.js';
import { ramp, rampLeaf } from './ramp.fixture.js';
import { references } from './references.generated.js';

const { recurrent } = references;
const sizes = { inputSize: 3, hiddenSize: 2 };
const deep = { ...sizes, numLayers: 2, bidirectional: true, batchFirst: true };

describe('is that of PyTorch, by outputs, states and gradients', () => {
  const lstm = (layer: nn.LSTM, x?: Tensor, h?: Tensor, c?: Tensor): Tensor[] => {
    const [output, state] = layer.forward(x!, h && c ? [h, c] : undefined);
    return [output, ...state];
  };
  const gru = (layer: nn.GRU, x?: Tensor, h?: Tensor): Tensor[] => layer.forward(x!, h);

  it('an LSTM', () => {
    expectProbe(new nn.LSTM(sizes), [ramp(4, 2, 3)], lstm, recurrent.lstm);
    expectProbe(new nn.LSTM(deep), [ramp(2, 4, 3), ramp(4, 2, 2), ramp(4, 2, 2).mul(2)], lstm, recurrent.lstmDeep);
    expectProbe(new nn.LSTM({ ...sizes, bias: false }), [ramp(4, 3)], lstm, recurrent.lstmWithoutBias);
    expectProbe(
      new nn.LSTM({ ...sizes, hiddenSize: 4, numLayers: 2, projSize: 2, bidirectional: true }),
      [ramp(4, 2, 3), ramp(4, 2, 2), ramp(4, 2, 4)],
      lstm,
      recurrent.lstmProjected,
    );
  });

  it('a GRU', () => {
    expectProbe(new nn.GRU(sizes), [ramp(4, 2, 3)], gru, recurrent.gru);
    expectProbe(new nn.GRU(deep), [ramp(2, 4, 3), ramp(4, 2, 2)], gru, recurrent.gruDeep);
    const layer = new nn.GRU({ ...sizes, bias: false, numLayers: 2 });
    expectProbe(layer, [ramp(4, 3), ramp(2, 2)], gru, recurrent.gruWithoutBias);
  });
});

it('goes on from the state that it gave: two halves are the whole', () => {
  const x = ramp(6, 2, 3);
  const [first, second] = [x.narrow(0, 0, 4), x.narrow(0, 4, 2)];
  const lstm = withGivenNumbers(new nn.LSTM({ ...sizes, numLayers: 2 }));
  const [whole, [h, c]] = lstm.forward(x);
  const [, state] = lstm.forward(first);
  const [rest, [laterH, laterC]] = lstm.forward(second, state);
  expectClose(rest, whole.narrow(0, 4, 2));
  expectClose(laterH, h);
  expectClose(laterC, c);
  const gru = withGivenNumbers(new nn.GRU({ ...sizes, numLayers: 2 }));
  expectClose(gru.forward(second, gru.forward(first)[1])[0], gru.forward(x)[0].narrow(0, 4, 2));
});

it('a GRU of one feature, by hand', () => {
  const layer = new nn.GRU({ inputSize: 1, hiddenSize: 1, bias: false });
  const weights = { weight_ih_l0: [[1], [2], [3]], weight_hh_l0: [[0.5], [-1], [2]] };
  layer.loadStateDict(new Map(Object.entries(weights).map(([name, value]) => [name, tensor(value)])));
  const [x, h] = [0.3, 0.7];
  const sigma = (value: number): number => 1 / (1 + Math.exp(-value));
  const [r, z] = [sigma(x + 0.5 * h), sigma(2 * x - h)];
  const n = Math.tanh(3 * x + r * 2 * h);
  expectClose(layer.forward(tensor([[x]]), tensor([[h]]))[0], [[(1 - z) * n + z * h]]);
});

it('has the right gradients, and drops between layers while training only', () => {
  const layer = withGivenNumbers(new nn.GRU({ ...sizes, numLayers: 2, dropout: 0.5 })).eval();
  gradcheck((x) => layer.forward(x)[0], [rampLeaf(3, 1, 3), ...layer.parameters()]);
  const x = ramp(20, 1, 3);
  expectClose(layer.forward(x)[0], layer.forward(x)[0]);
  layer.train();
  expect(layer.forward(x)[0].equal(layer.forward(x)[0])).toBe(false);
});

it('refuses what does not fit, by name', () => {
  expect(() => new nn.LSTM({ inputSize: 0, hiddenSize: 2 })).toThrow('inputSize must be');
  expect(() => new nn.GRU({ ...sizes, numLayers: 1.5 })).toThrow('numLayers must be');
  expect(() => new nn.LSTM({ ...sizes, projSize: 2 })).toThrow('projSize must be less than hiddenSize 2, got 2');
  expect(() => new nn.LSTM({ ...sizes, dropout: -1 })).toThrow('dropout must be between 0 and 1');
  const lstm = new nn.LSTM(deep);
  expect(() => lstm.forward(randn([2, 4, 5]))).toThrow('LSTM expects [batch, length, 3] or [length, 3], got [2, 4, 5]');
  expect(() => lstm.forward(randn([3]))).toThrow('LSTM expects');
  expect(() => lstm.forward(randn([2, 4, 3]), [zeros([4, 2, 2]), zeros([2, 2, 2])])).toThrow(
    'LSTM: the initial cell state has shape [2, 2, 2], expected [4, 2, 2]',
  );
  const gru = new nn.GRU(sizes);
  expect(() => gru.forward(randn([4, 3]), zeros([1, 1, 2]))).toThrow(
    'GRU: the initial state has shape [1, 1, 2], expected [1, 2]',
  );
  expect(() => gru.forward(randn([4, 2, 3], { dtype: 'float64' }))).toThrow('its tensors must have one dtype');
  expect(gru.forward(zeros([4, 0, 3]))[0].shape).toEqual([4, 0, 2]);
  expect(() => gru.forward(zeros([0, 2, 3]))).toThrow(/sequence length|length/i);
});
