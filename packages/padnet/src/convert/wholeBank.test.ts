import { manualSeed, nn, noGrad, rand, randn } from '@padnet/torch';
import { expectClose } from '@padnet/torch/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { Bank, CondRouter, DcdRouter, KernelAttention, OdAttention, type Router } from '../dynamic/index.js';
import { pretrainedStack } from '../layers/feedForwardStack.test.fixture.js';
import { isDynamicLayer, MoELinear } from '../layers/index.js';
import { Mask, scaleModes } from '../partial/index.js';
import { applyPartition, partialLayers, searchLayers } from '../partition/index.js';
import { convertToDynamic, convertToPartial } from './convert.js';
import { convertToMoE, convertToPartialMoE } from './convertMoE.js';

beforeEach(() => {
  manualSeed(9);
});

/** With a random mask of every layer, static weights of their own and λ's that are not 1. */
function partition(network: nn.Module, dynamicRatio: number): void {
  noGrad(() => {
    for (const { staticWeight, phi } of searchLayers(network).values()) {
      staticWeight.copy_(randn(staticWeight.shape));
      phi?.fill_(0.4);
    }
  });
  const masks = Array.from(searchLayers(network), ([path, { shape }]): [string, Mask] => [
    path,
    Mask.fromTensor(rand(shape).lt(dynamicRatio)),
  ]);
  applyPartition(network, { masks: new Map(masks) });
}

function convolutions(
  router: (geometry: nn.ConvGeometry, numKernels: number) => Router,
  kernelSize = 3,
): nn.Sequential {
  const conv = (inChannels: number): nn.Conv2d => new nn.Conv2d({ inChannels, outChannels: 4, kernelSize });
  const network = new nn.Sequential(conv(2), conv(4), conv(4));
  return convertToPartial(network, { router, numKernels: 3, bankInitialisation: 'independent' }).eval();
}

const attention = ({ inChannels }: nn.ConvGeometry, numKernels: number): KernelAttention =>
  new KernelAttention({ inChannels, numKernels, temperature: 1 });

function sources(network: nn.Module): string[] {
  return Array.from(network.namedModules()).flatMap(([, module]) =>
    isDynamicLayer(module) ? [module.source.constructor.name] : [],
  );
}

describe('a partial network as a dynamic one', () => {
  it.each(scaleModes)('has the same output; scale factors %s', (scaleMode) => {
    const conv = (): nn.Conv2d => new nn.Conv2d({ inChannels: 2, outChannels: 2, kernelSize: 3 });
    const network = convertToPartial(new nn.Sequential(conv(), conv()), { router: attention, scaleMode }).eval();
    partition(network, 0.4);
    const input = randn([3, 2, 9, 9]);
    const before = noGrad(() => network.forward(input));
    convertToDynamic(network);
    expect(sources(network)).toEqual(['Bank']);
    expect(partialLayers(network).size).toBe(0);
    expectClose(
      noGrad(() => network.forward(input)),
      before,
      { atol: 1e-5 },
    );
  });

  it('of experts, at each token', () => {
    const stack = convertToPartialMoE(pretrainedStack({ depth: 2, hiddenSize: 6, intermediateSize: 10 }), {
      numExperts: 4,
      noise: 0.5,
    }).eval();
    noGrad(() => {
      for (const [, module] of stack.namedModules())
        if (module instanceof MoELinear) module.router.wGate.copy_(randn(module.router.wGate.shape));
    });
    partition(stack, 0.4);
    const input = randn([3, 5, 6]);
    const before = noGrad(() => stack.forward(input));
    convertToMoE(stack);
    expect(sources(stack)).toEqual(['Bank', 'Bank', 'Bank', 'Bank']);
    expectClose(
      noGrad(() => stack.forward(input)),
      before,
      { atol: 1e-5 },
    );
  });

  it('can be made partial again, its static entries the same in every kernel', () => {
    const network = convolutions(attention);
    partition(network, 0.4);
    const masks = Array.from(partialLayers(network).values(), ({ mask }) => mask);
    convertToPartial(convertToDynamic(network));
    const searched = [...searchLayers(network).values()];
    expect(searched).toHaveLength(2);
    for (const [index, { bank, staticWeight }] of searched.entries()) {
      const [first, , last] = Array.from({ length: 3 }, (_, kernel) => bank.detach().select(0, kernel).toArray());
      const fixed = staticWeight.toArray();
      for (const [entry, value] of first!.entries()) {
        expect(value === last![entry]).toBe(!masks[index]!.has(entry));
        if (!masks[index]!.has(entry)) expect(fixed[entry]).toBeCloseTo(value, 6);
      }
    }
  });

  it('is refused where the static part would count otherwise, and nothing is changed then', () => {
    for (const router of [
      ({ inChannels }: nn.ConvGeometry, numKernels: number) => new CondRouter({ inChannels, numKernels }),
      (geometry: nn.ConvGeometry, numKernels: number) => new OdAttention({ geometry, numKernels }),
      (geometry: nn.ConvGeometry) => new DcdRouter({ geometry }),
    ]) {
      const network = convolutions(router);
      partition(network, 0.4);
      const before = sources(network);
      expect(() => convertToDynamic(network)).toThrow('1 has static entries that cannot come back into its bank');
      expect(sources(network)).toEqual(before);
    }
  });

  it('is not where every entry is dynamic, or no position is weighed', () => {
    const whole = convolutions(({ inChannels }, numKernels) => new CondRouter({ inChannels, numKernels }));
    partition(whole, 1.1);
    const pointwise = convolutions((geometry, numKernels) => new OdAttention({ geometry, numKernels }), 1);
    partition(pointwise, 0.4);
    for (const network of [whole, pointwise]) {
      const input = randn([3, 2, 9, 9]);
      const before = noGrad(() => network.forward(input));
      convertToDynamic(network);
      expectClose(
        noGrad(() => network.forward(input)),
        before,
        { atol: 1e-5 },
      );
      for (const [, module] of network.namedModules())
        if (isDynamicLayer(module)) expect(module.source).toBeInstanceOf(Bank);
    }
  });
});
