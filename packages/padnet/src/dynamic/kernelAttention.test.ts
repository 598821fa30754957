import { manualSeed, nn, noGrad, rand, randn, tensor } from '@padnet/torch';
import { expectClose, gradcheck } from '@padnet/torch/testing';
import { describe, expect, it } from 'vitest';
import { KernelAttention } from './kernelAttention.js';
import { setTemperature } from './temperature.js';

describe('KernelAttention', () => {
  it('is softmax(fc2(relu(fc1(mean(x)))) / T)', () => {
    const router = new KernelAttention({ inChannels: 2, numKernels: 2, hiddenChannels: 1, temperature: 2 });
    noGrad(() => {
      router.fc1.weight.copy_(tensor([[1, 2]]));
      router.fc2.weight.copy_(tensor([[1], [-1]]));
      router.fc2.bias!.copy_(tensor([0, 0.5]));
    });
    // means 1 and 2 → hidden 5 → logits 5 and −4.5 → over T = 2: difference 4.75
    const input = tensor([[[[0, 2]], [[1, 3]]]]);
    const high = 1 / (1 + Math.exp(-4.75));
    expectClose(router.forward(input), [[high, 1 - high]]);
  });

  it('starts as published: weights of deviation √(2 / fan-out), zero bias, hidden width C/16, at least 1', () => {
    manualSeed(1);
    const router = new KernelAttention({ inChannels: 1024, numKernels: 4 });
    expect(router.fc1.weight.shape).toEqual([64, 1024]);
    expect(router.fc1.weight.square().mean().sqrt().item()).toBeCloseTo(Math.sqrt(2 / 64), 2);
    expect(router.fc2.bias!.toArray()).toEqual([0, 0, 0, 0]);
    expect(router.temperature.item()).toBe(31);
    expect(new KernelAttention({ inChannels: 3 }).fc1.weight.shape).toEqual([1, 3]);
  });

  it('starts with every hidden unit active, where it is asked to, and else with half of them', () => {
    const inactive = (start: 'published' | 'active'): number => {
      manualSeed(1);
      const { fc1 } = new KernelAttention({ inChannels: 16, hiddenChannels: 400, start });
      expect(fc1.weight.square().mean().sqrt().item()).toBeCloseTo(Math.sqrt(2 / 400), 3);
      // Pooled channels behind a ReLU: about alike, and about the same in every sample.
      const hidden = noGrad(() => fc1.forward(rand([8, 16]).mul(0.1).add(1)).relu());
      return hidden.amax({ dim: 0 }).eq(0).to('float32').mean().item();
    };
    expect(inactive('published')).toBeCloseTo(0.5, 1);
    expect(inactive('active')).toBeLessThan(0.03);
  });

  it('gives near-uniform coefficients when hot, and they always sum to 1', () => {
    const router = new KernelAttention({ inChannels: 8, temperature: 1e6 });
    const coefficients = router.forward(randn([5, 8, 3, 3]));
    expectClose(coefficients, tensor(Array.from({ length: 5 }, () => [0.25, 0.25, 0.25, 0.25])), { atol: 1e-4 });
    setTemperature(router, 0.1);
    expectClose(router.forward(randn([5, 8, 3, 3])).sum([1]), tensor([1, 1, 1, 1, 1]), { atol: 1e-5 });
  });

  it('has the gradients of finite differences', () => {
    const router = new KernelAttention({ inChannels: 3, numKernels: 3, hiddenChannels: 4, temperature: 1.5 });
    router.to('float64');
    const input = randn([2, 3, 2, 2], { dtype: 'float64', requiresGrad: true });
    gradcheck((x) => router.forward(x), [input, ...router.parameters()]);
  });

  it('saves the temperature with the weights, and is set throughout a network', () => {
    const network = new nn.Sequential(new KernelAttention({ inChannels: 4 }), new KernelAttention({ inChannels: 4 }));
    setTemperature(network, 7);
    const copy = new nn.Sequential(new KernelAttention({ inChannels: 4 }), new KernelAttention({ inChannels: 4 }));
    copy.loadStateDict(network.stateDict());
    expect(copy.stateDict().get('1.temperature')!.item()).toBe(7);
    expect(() => {
      setTemperature(network, 0);
    }).toThrow('temperature must be above 0, got 0');
  });
});
