import { manualSeed, nn, noGrad, ops, rand, randn, tensor, type Tensor } from '@padnet/torch';
import { expectClose } from '@padnet/torch/testing';
import { describe, expect, it } from 'vitest';
import { CondRouter, DcdRouter, KernelAttention, OdAttention, type Router } from '../dynamic/index.js';
import { convertToPartialMoE } from '../convert/index.js';
import { pretrainedStack } from '../layers/feedForwardStack.test.fixture.js';
import { DecomposedConv2d, DynamicConv2d, type MoELinear } from '../layers/index.js';
import { Mask, SearchSource } from '../partial/index.js';
import { meanIntoStatic, measuresMean } from './meanIntoStatic.js';
import { searchLayers } from './partition.js';

const geometry = nn.conv2dGeometry({ inChannels: 4, outChannels: 5, kernelSize: 3, padding: 1 });

function searched(router: Router): { network: nn.Sequential; source: SearchSource } {
  const source = new SearchSource({ bank: randn([3, 5, 4, 3, 3]), staticWeight: randn([5, 4, 3, 3]) });
  const network = new nn.Sequential(new DynamicConv2d({ geometry, router, source })).to('float64');
  return { network, source };
}

describe('meanIntoStatic', () => {
  it.each([
    ['CondConv', () => new CondRouter({ inChannels: 4, numKernels: 3 })],
    ['ODConv', () => new OdAttention({ geometry, numKernels: 3, temperature: 1 })],
  ])('makes a mask change nothing for one input of %s, whatever its router decides', (_, makeRouter) => {
    manualSeed(4);
    const { network, source } = searched(makeRouter());
    const input = randn([1, 4, 6, 6], { dtype: 'float64' });
    const output = () => noGrad(() => network.eval().forward(input));
    expect(measuresMean(network)).toBe(true);
    const before = output();
    meanIntoStatic(network, [() => network.forward(input), () => network.forward(ops.cat([input, input]))]);
    source.mask = Mask.fromTensor(rand([5, 4, 3, 3]).lt(0.3));
    expectClose(output(), before, { atol: 1e-12 });
  });

  it('makes a mask change nothing for one input of DCD', () => {
    manualSeed(4);
    const router = new DcdRouter({ geometry, hiddenChannels: 3 });
    const source = new SearchSource({ bank: randn([3, 4, 4, 1, 1]), staticWeight: randn([4, 4, 1, 1]) });
    const layer = new DecomposedConv2d({ geometry, router, source, weight: randn([5, 4, 3, 3]) });
    const network = new nn.Sequential(layer).to('float64').eval();
    noGrad(() => source.phi!.fill_(0.4));
    const input = randn([1, 4, 6, 6], { dtype: 'float64' });
    const output = () => noGrad(() => network.forward(input));
    const before = output();
    expect(measuresMean(network)).toBe(true);
    meanIntoStatic(network, [() => network.forward(input)]);
    source.mask = Mask.fromTensor(rand([4, 4, 1, 1]).lt(0.3));
    expectClose(output(), before, { atol: 1e-12 });
  });

  it("takes the bank's mean where coefficients sum to 1, without running the network", () => {
    const { network, source } = searched(new KernelAttention({ inChannels: 4, numKernels: 3 }));
    expect(measuresMean(network)).toBe(false);
    meanIntoStatic(network, []);
    expectClose(source.staticWeight, source.bank.mean([0]), { atol: 1e-12 });
  });

  it('is by use where asked for: of one input what a mask leaves, though coefficients sum to 1', () => {
    const router = new KernelAttention({ inChannels: 4, numKernels: 3, temperature: 1 });
    const { network, source } = searched(router);
    noGrad(() =>
      router
        .parameters()
        .at(-1)!
        .copy_(tensor([1, 0, -1])),
    ); // the bias
    const input = randn([1, 4, 6, 6], { dtype: 'float64' });
    const output = () => noGrad(() => network.eval().forward(input));
    const before = output();
    expect(measuresMean(network, { byUse: true })).toBe(true);
    meanIntoStatic(network, [() => network.forward(input)], { byUse: true });
    source.mask = Mask.fromTensor(rand([5, 4, 3, 3]).lt(0.3));
    expectClose(output(), before, { atol: 1e-12 });
    meanIntoStatic(network, []);
    expect(output().sub(before).abs().max().item()).toBeGreaterThan(1e-3);
  });

  it('is of a mixture the mean of its experts by their gates, over the tokens of all batches', () => {
    manualSeed(4);
    const stack = convertToPartialMoE(pretrainedStack({ depth: 1 }), { numExperts: 3, k: 2, noise: 0.5 }).to('float64');
    const layer = stack.layers.items[0]!.intermediate as MoELinear;
    noGrad(() => layer.router.wGate.copy_(randn([6, 3])));
    const inputs = [2, 3].map((batch) => randn([batch, 4, 6], { dtype: 'float64' }));
    meanIntoStatic(
      stack,
      inputs.map((each) => () => stack.classify(each)),
      { byUse: true },
    );
    const source = searchLayers(stack).get('layers.0.intermediate')!;
    const gates = noGrad(() => layer.router.forward(ops.cat(inputs).reshape([20, 6])).gates.mean([0]));
    const expected = noGrad(() => source.bank.mul(gates.reshape([3, 1, 1])).sum([0]));
    expectClose(source.staticWeight, expected, { atol: 1e-12 });
    // Of all static weights, the one with the least mean squared distance to the experts in use.
    const distance = (weight: Tensor): number =>
      noGrad(() => source.bank.sub(weight).square().sum([1, 2]).mul(gates).sum().item());
    expect(distance(expected)).toBeLessThan(distance(source.bank.mean([0])));
  });

  it('runs nothing where nothing is measured', () => {
    const { network } = searched(new KernelAttention({ inChannels: 4, numKernels: 3 }));
    const failing = (): Tensor => {
      throw new Error('run');
    };
    meanIntoStatic(network, [failing]);
    expect(() => {
      meanIntoStatic(network, [failing], { byUse: true });
    }).toThrow('run');
  });
});
