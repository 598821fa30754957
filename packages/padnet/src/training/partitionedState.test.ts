import { nn, noGrad, optim, randn, scope, type Tensor } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { Mask, SearchSource } from '../partial/index.js';
import { applyPartition } from '../partition/index.js';
import { partitionedState } from './partitionedState.js';

class Holder extends nn.Module {
  readonly scale = new nn.Parameter(randn([2]));
  source = new SearchSource({ bank: randn([2, 3, 2]), staticWeight: randn([3, 2]) });
}

const mask = Mask.fromBits([3, 2], Uint8Array.of(0b100110));

/** A step with the gradient 2w + 1 of every parameter. */
function step(network: nn.Module, optimizer: optim.SGD | optim.AdamW): void {
  scope(() => {
    for (const parameter of network.parameters()) parameter.grad = noGrad(() => parameter.mul(2).add(1));
    optimizer.step();
    network.zeroGrad();
  });
}

const kinds = {
  SGD: (network: nn.Module) => new optim.SGD(network.namedParameters(), { learningRate: 0.1, momentum: 0.9 }),
  AdamW: (network: nn.Module) => new optim.AdamW(network.namedParameters(), { learningRate: 0.1 }),
};

describe.each(Object.entries(kinds))('the state of %s', (_, make) => {
  it('goes on for the entries that stay dynamic as if nothing had happened', () => {
    const network = new Holder();
    const before = make(network);
    for (let i = 0; i < 3; i++) step(network, before);
    const whole = new Holder();
    whole.loadStateDict(network.stateDict());
    const uninterrupted = make(whole);
    uninterrupted.loadStateDict(before.stateDict());

    applyPartition(network, { masks: new Map([['', mask]]) });
    const after = make(network);
    after.loadStateDict(partitionedState(before.stateDict(), new Map([['', mask]]), network));
    for (let i = 0; i < 2; i++) {
      step(network, after);
      step(whole, uninterrupted);
    }
    const inUse = (bank: Tensor): number[] => bank.toArray().filter((_, index) => mask.has(index % mask.size));
    expect(network.source.bank.toArray()).toEqual(inUse(whole.source.bank));
    expect(network.scale.toArray()).toEqual(whole.scale.toArray());
    for (const [key, tensor] of after.stateDict().tensors) {
      if (key.endsWith('static_weight')) continue;
      const expected = uninterrupted.stateDict().tensors.get(key)!;
      expect(tensor.toArray()).toEqual(key.endsWith('bank') ? inUse(expected) : expected.toArray());
    }
  });
});
