import { fromTypedArray, manualSeed, nn, noGrad, ones, randn, scope, type Tensor } from '@padnet/torch';
import { expectClose } from '@padnet/torch/testing';
import { describe, expect, it } from 'vitest';
import { Bank, KernelAttention } from '../dynamic/index.js';
import { roundCoefficients } from './coefficientThreshold.js';
import { DynamicConv2d } from './dynamicConvolutions.js';
import { setCoefficientThreshold } from './dynamicLayer.js';

describe('rounded coefficients', () => {
  const given = (): Tensor => fromTypedArray(Float64Array.of(0.6, 0.3, 0.1, 0.25, 0.4, 0.35)).reshape([2, 3]);

  it('are 0 below the threshold, and sum to 1 where they did', () => {
    // prettier-ignore
    expectClose(roundCoefficients(given(), 0.3, true), [[2 / 3, 1 / 3, 0], [0, 0.4 / 0.75, 0.35 / 0.75]]);
    expectClose(roundCoefficients(given(), 0.3, false), [[0.6, 0.3, 0], [0, 0.4, 0.35]]); // prettier-ignore
    expectClose(roundCoefficients(given(), 0, true), given());
  });

  it('keep the largest of each sample, whatever the threshold', () => {
    expectClose(roundCoefficients(given(), 1, true), [[1, 0, 0], [0, 1, 0]]); // prettier-ignore
  });

  it('are those of every plan in evaluation, and of none in training', () => {
    scope(() => {
      manualSeed(1);
      const geometry = nn.conv2dGeometry({ inChannels: 4, outChannels: 5, kernelSize: 3, padding: 1 });
      const router = new KernelAttention({ inChannels: 4, numKernels: 3, hiddenChannels: 8, temperature: 1 });
      const layer = new DynamicConv2d({ geometry, router, source: new Bank(randn([3, 5, 4, 3, 3])) });
      noGrad(() => {
        router.fc2.bias!.copy_(fromTypedArray(Float32Array.of(2, 0, 1))); // coefficients far from uniform
      });
      const network = new nn.Sequential(layer);
      const input = ones([2, 4, 6, 6]).mul(randn([2, 4, 1, 1]));
      const output = (plan: 'fused' | 'perSample'): Tensor => {
        layer.plan = plan;
        return noGrad(() => network.forward(input));
      };
      network.eval();
      const exact = output('fused');
      expect(setCoefficientThreshold(network, 1)).toBe(1);
      expectClose(output('fused'), output('perSample'), { rtol: 1e-5, atol: 1e-5 });
      expect(output('fused').sub(exact).abs().max().item()).toBeGreaterThan(1e-3);
      network.train();
      expectClose(output('fused'), exact, { rtol: 1e-5, atol: 1e-5 });
      expect(() => {
        setCoefficientThreshold(network, 1.5);
      }).toThrow('a number from 0 to 1');
    });
  });
});
