import { expect, it } from 'vitest';
import { nn, tensor } from '../index.js';
import { expectClose, gradcheck } from '../testing/index.js';
import { rampLeaf } from './ramp.fixture.js';

it('is x Wᵀ + b', () => {
  const layer = new nn.Linear({ inFeatures: 2, outFeatures: 3 });
  // prettier-ignore
  layer.loadStateDict(new Map([['weight', tensor([[1, 2], [3, 4], [5, 6]])], ['bias', tensor([10, 20, 30])]]));
  expectClose(layer.forward(tensor([[1, 1], [0, -1]])), [[13, 27, 41], [8, 16, 24]]); // prettier-ignore
  expectClose(layer.forward(tensor([[[1, 0]]])), [[[11, 23, 35]]]);
});

it('has the right gradients, with and without bias', () => {
  for (const bias of [true, false]) {
    const layer = new nn.Linear({ inFeatures: 3, outFeatures: 2, bias }).to('float64');
    expect([...layer.stateDict().keys()]).toEqual(bias ? ['weight', 'bias'] : ['weight']);
    gradcheck((x) => layer.forward(x), [rampLeaf(4, 3), ...layer.parameters()]);
  }
});

it('refuses sizes that are none', () => {
  expect(() => new nn.Linear({ inFeatures: 0, outFeatures: 1 })).toThrow(
    'inFeatures must be a whole number of at least 1',
  );
  expect(() => new nn.Linear({ inFeatures: 1, outFeatures: 1.5 })).toThrow('outFeatures must be');
});
