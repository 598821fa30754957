import { backward, manualSeed, ops, randn, type Tensor } from '@padnet/torch';
import { expectClose } from '@padnet/torch/testing';
import { describe, expect, it } from 'vitest';
import { Bank, NoisyTopK } from '../dynamic/index.js';
import { FeedForward } from './feedForward.js';
import { MoELinear } from './moeLinear.js';
import { Routing } from './routing.js';

function mixtureOf({ weight, bias }: { weight: Tensor; bias: Tensor | null }): MoELinear {
  const copies = (tensor: Tensor): Tensor => ops.stack([tensor, tensor, tensor]).detach();
  return new MoELinear({
    router: new NoisyTopK({ inFeatures: weight.shape[1]!, numExperts: 3, k: 2 }),
    source: new Bank(copies(weight)),
    biasBank: copies(bias!),
  });
}

describe('FeedForward', () => {
  it('is the same block with copied experts in both places, each with its own decision and auxiliary loss', () => {
    manualSeed(0);
    const block = new FeedForward({ hiddenSize: 4, intermediateSize: 8, activation: (input) => ops.gelu(input) });
    const { intermediate, output } = block;
    if (intermediate instanceof MoELinear || output instanceof MoELinear) throw new Error('dense layers expected');
    const hidden = randn([2, 3, 4]);
    const routing = new Routing();
    const expected = block.forward(hidden, routing);
    expect(routing.auxiliaryLoss()).toBe(null);
    Object.assign(block, { intermediate: mixtureOf(intermediate), output: mixtureOf(output) });
    expectClose(block.forward(hidden, routing), expected, { atol: 1e-6 });
    expect(routing.decisions.map(({ layer }) => layer)).toEqual([block.intermediate, block.output]);
    const [first, second] = routing.decisions.map(({ auxiliaryLoss }) => auxiliaryLoss.item());
    const total = routing.auxiliaryLoss()!;
    expect(total.item()).toBeCloseTo(first! + second!, 6);
    backward(total);
    for (const { router } of [block.intermediate, block.output] as unknown as MoELinear[]) {
      expect(router.wNoise.grad!.abs().sum().item()).toBeGreaterThan(0);
    }
  });
});
