import { describe, expect, it } from 'vitest';
import { nn, ops, tensor, zeros, type Tensor } from '../index.js';
import { expectClose, gradcheck } from '../testing/index.js';
import { expectProbe, withGivenNumbers } from './probe.fixture.js';
import { ramp, rampLeaf } from './ramp.fixture.js';
import { references } from './references.generated.js';

const { attention } = references;
const padding = tensor([
  [false, false, false, true],
  [false, false, false, false],
]);
const causal = ops.triu(ops.ones([3, 3], { dtype: 'bool' }), { diagonal: 1 });

describe('is that of PyTorch, by outputs, weights and gradients', () => {
  const options = { embedDim: 4, numHeads: 2 };

  it('plain, and without a batch', () => {
    const layer = new nn.MultiheadAttention(options);
    const inputs = [ramp(3, 2, 4), ramp(4, 2, 4).add(0.1), ramp(4, 2, 4).mul(0.5)];
    expectProbe(layer, inputs, (m, q, k, v) => m.forward(q, k, v), attention.plain);
    expectProbe(layer, [ramp(3, 4), ramp(4, 4), ramp(4, 4)], (m, q, k, v) => m.forward(q, k, v), attention.unbatched);
  });

  it('of itself, the batch first, each position seeing those before it', () => {
    const layer = new nn.MultiheadAttention({ ...options, batchFirst: true });
    expectProbe(layer, [ramp(2, 3, 4)], (m, x) => m.forward(x, x, x, { attnMask: causal }), attention.self);
  });

  it('with padding, each head by itself', () => {
    const call = (m: nn.MultiheadAttention, q?: Tensor, k?: Tensor) =>
      m.forward(q!, k!, k!, { keyPaddingMask: padding, averageAttnWeights: false });
    const layer = new nn.MultiheadAttention({ ...options, bias: false });
    expectProbe(layer, [ramp(3, 2, 4), ramp(4, 2, 4)], call, attention.padded);
  });

  it('with both masks and positions added', () => {
    const call = (m: nn.MultiheadAttention, q?: Tensor, k?: Tensor) =>
      m.forward(q!, k!, k!, { keyPaddingMask: padding, attnMask: ramp(4, 3, 4) });
    const layer = new nn.MultiheadAttention({ ...options, addBiasKv: true, addZeroAttn: true });
    expectProbe(layer, [ramp(3, 2, 4), ramp(4, 2, 4)], call, attention.both);
  });

  it('with other features of key and value, and without weights', () => {
    const layer = new nn.MultiheadAttention({ ...options, kdim: 3, vdim: 5, batchFirst: true });
    const call = (m: nn.MultiheadAttention, q?: Tensor, k?: Tensor, v?: Tensor) =>
      m.forward(q!, k!, v!, { needWeights: false });
    expectProbe(layer, [ramp(2, 3, 4), ramp(2, 4, 3), ramp(2, 4, 5)], call, attention.dimensions);
  });
});

it('looks only where it may: a masked key changes nothing', () => {
  const layer = withGivenNumbers(new nn.MultiheadAttention({ embedDim: 2, numHeads: 1, batchFirst: true }));
  const keys = ramp(1, 3, 2);
  const changed = keys.clone();
  changed.select(1, 2).fill_(100);
  const mask = tensor([[false, false, true]]);
  const run = (key: Tensor): [Tensor, Tensor | null] =>
    layer.forward(ramp(1, 2, 2), key, key, { keyPaddingMask: mask });
  expectClose(run(keys)[0], run(changed)[0]);
  expectClose(run(keys)[1]!.select(2, 2), [[0, 0]]);
  expectClose(run(keys)[1]!.sum([2]), [[1, 1]]);
  const added = zeros([2, 3]);
  added.select(1, 2).fill_(-Infinity);
  expectClose(layer.forward(ramp(1, 2, 2), keys, keys, { attnMask: added })[0], run(keys)[0]);
  gradcheck((q, k) => layer.forward(q, k, k, { keyPaddingMask: mask })[0], [rampLeaf(1, 2, 2), rampLeaf(1, 3, 2)]);
});

it('drops weights in training only', () => {
  const layer = withGivenNumbers(new nn.MultiheadAttention({ embedDim: 2, numHeads: 1, dropout: 0.5 }));
  const [x] = [ramp(8, 1, 2)];
  const weights = (): number[] => layer.forward(x, x, x)[1]!.toArray();
  expect(weights().filter((weight) => weight === 0).length).toBeGreaterThan(10);
  layer.eval();
  expect(weights().every((weight) => weight > 0)).toBe(true);
});

it('refuses what does not belong together, by name', () => {
  expect(() => new nn.MultiheadAttention({ embedDim: 5, numHeads: 2 })).toThrow('numHeads 2 must divide embedDim 5');
  expect(() => new nn.MultiheadAttention({ embedDim: 4, numHeads: 2, dropout: 2 })).toThrow('dropout must be');
  const layer = new nn.MultiheadAttention({ embedDim: 4, numHeads: 2, kdim: 3 });
  const [q, k, v] = [ops.zeros([3, 2, 4]), ops.zeros([5, 2, 3]), ops.zeros([5, 2, 4])];
  expect(() => layer.forward(q, v, k)).toThrow(
    'MultiheadAttention expects query [L, batch, 4], key [S, batch, 3] and value [S, batch, 4], ' +
      'got [3, 2, 4], [5, 2, 4], [5, 2, 3]',
  );
  expect(() => layer.forward(q, k.narrow(1, 0, 1), v)).toThrow('got [3, 2, 4], [5, 1, 3], [5, 2, 4]');
  expect(() => layer.forward(q, k, v.narrow(0, 0, 4))).toThrow('MultiheadAttention expects');
  expect(() => layer.forward(q, k, v, { attnMask: zeros([5, 3]) })).toThrow(
    'attnMask has shape [5, 3], expected [3, 5] or [4, 3, 5]',
  );
  expect(() => layer.forward(q, k, v, { keyPaddingMask: zeros([5, 2]) })).toThrow(
    'keyPaddingMask has shape [5, 2], expected [2, 5]',
  );
  expect(() => layer.forward(q, k, v, { attnMask: zeros([3, 5], { dtype: 'int64' }) })).toThrow(
    'attnMask is int64, expected bool (true for what is not seen) or a floating dtype (added)',
  );
  expect(() => layer.forward(q, k, v, zeros([3, 5]) as never)).toThrow('MultiheadAttention: expected options by name');
});
