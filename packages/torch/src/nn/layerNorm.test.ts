import { expect, it } from 'vitest';
import { nn, tensor } from '../index.js';
import { expectClose, gradcheck } from '../testing/index.js';
import { ramp, rampLeaf } from './ramp.fixture.js';
import { references } from './references.generated.js';

it('normalises the last dimensions of each sample', () => {
  const byHand = new nn.LayerNorm({ normalizedShape: 2, eps: 0 });
  expectClose(byHand.forward(tensor([[1, 3], [10, 30]])), [[-1, 1], [-1, 1]]); // prettier-ignore
  const layer = new nn.LayerNorm({ normalizedShape: [2, 3], eps: 1e-3 }).to('float64');
  expectClose(layer.forward(ramp(2, 2, 3)).reshape([-1]), references.layerNorm);
  expect([...layer.stateDict().keys()]).toEqual(['weight', 'bias']);
});

it('has the right gradients', () => {
  const layer = new nn.LayerNorm({ normalizedShape: [2, 3] }).to('float64');
  gradcheck((x) => layer.forward(x), [rampLeaf(2, 2, 3), ...layer.parameters()]);
  const plain = new nn.LayerNorm({ normalizedShape: 3, elementwiseAffine: false });
  expect(plain.parameters()).toEqual([]);
  gradcheck((x) => plain.forward(x), [rampLeaf(2, 3)]);
});

it('refuses shapes that are none', () => {
  expect(() => new nn.LayerNorm({ normalizedShape: [] })).toThrow('at least one dimension, got []');
  expect(() => new nn.LayerNorm({ normalizedShape: [2, 0] })).toThrow('normalizedShape must be');
});
