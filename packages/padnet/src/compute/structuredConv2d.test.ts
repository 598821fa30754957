import { grad, manualSeed, nn, ones, randn, scope, tensor, type Tensor } from '@padnet/torch';
import { expectClose } from '@padnet/torch/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KernelAttention } from '../dynamic/index.js';
import { fusedConv2d } from './nativeOperators.js';
import { Mask, PartialSource, scaleModes } from '../partial/index.js';
import type { ConvolutionPlan } from './convolutionPlan.js';
import { definedConvolution } from '../layers/definedConvolution.test.fixture.js';
import { DynamicConv2d } from '../layers/dynamicConvolutions.js';
import { structuredConv2d } from './structuredConv2d.js';

const shapes = fc.record({
  seed: fc.nat({ max: 2 ** 30 }),
  /** 1 for dynamic filters, of some of each. */
  filters: fc
    .array(fc.constantFrom(0, 1), { minLength: 2, maxLength: 12 })
    .filter((filters) => filters.includes(0) && filters.includes(1)),
  batch: fc.integer({ min: 1, max: 5 }),
  inChannels: fc.integer({ min: 1, max: 6 }),
  kernelSize: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  stride: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 3 })),
  padding: fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 2 })),
  dilation: fc.integer({ min: 1, max: 2 }),
  numKernels: fc.integer({ min: 1, max: 4 }),
  height: fc.integer({ min: 5, max: 8 }),
  width: fc.integer({ min: 5, max: 8 }),
  memoryFormat: fc.constantFrom('contiguous' as const, 'channels_last' as const),
  scaleMode: fc.constantFrom(...scaleModes),
  biased: fc.boolean(),
});

describe('the structured plan', () => {
  it('equals the definition and the other plans in output and all gradients', () => {
    fc.assert(
      fc.property(shapes, ({ seed, filters, batch, inChannels, numKernels, height, width, biased, ...given }) => {
        scope(() => {
          manualSeed(seed);
          const { memoryFormat, scaleMode, ...convolution } = given;
          const outChannels = filters.length;
          const geometry = nn.conv2dGeometry({ ...convolution, inChannels, outChannels });
          const shape = nn.convWeightShape(geometry);
          const mask = Mask.fromTensor(tensor(filters).reshape([-1, 1, 1, 1]).expand(shape));
          const layer = new DynamicConv2d({
            geometry,
            router: new KernelAttention({ inChannels, numKernels }),
            source: new PartialSource({
              bank: randn([numKernels, ...shape]),
              staticWeight: randn(shape),
              mask,
              scaleMode,
              phi: scaleMode === 'none' ? null : randn([]),
            }),
            biasBank: biased ? randn([numKernels, outChannels]) : null,
          }).to('float64');
          const input = randn([batch, inChannels, height, width], { dtype: 'float64' }).contiguous({ memoryFormat });
          input.requiresGrad = true;
          let weight: Tensor | null = null;
          const resultsOf = (plan: ConvolutionPlan | null): Tensor[] => {
            layer.plan = plan;
            const output = plan ? layer.forward(input) : definedConvolution(layer, input);
            weight ??= randn(output.shape, { dtype: 'float64' });
            return [output, ...grad(output.mul(weight).sum(), [input, ...layer.parameters()])];
          };
          const structured = resultsOf('structured');
          for (const plan of [null, 'fused', 'perSample', 'perKernel'] as const) {
            for (const [index, expected] of resultsOf(plan).entries())
              expectClose(structured[index]!, expected, { atol: 1e-10, rtol: 1e-10 });
          }
        });
      }),
      { numRuns: 80 },
    );
  });

  it.each(['contiguous', 'channels_last'] as const)('keeps the memory format: %s', (memoryFormat) => {
    scope(() => {
      const geometry = nn.conv2dGeometry({ inChannels: 2, outChannels: 3, kernelSize: 3 });
      for (const [dynamic, others] of [
        [[1n], [0n, 2n]],
        [[0n, 2n], [1n]],
      ] as const) {
        const input = randn([2, 2, 6, 7]).contiguous({ memoryFormat });
        const output = structuredConv2d({
          input,
          bank: randn([2, dynamic.length * 18]),
          staticWeight: randn([others.length * 18]),
          filters: { dynamic: tensor(dynamic), static: tensor(others) },
          geometry,
          dynamic: (bank, { outChannels }) => {
            expect(bank.shape).toEqual([2, outChannels, 2, 3, 3]);
            return fusedConv2d(input, ones([2, 2]), bank, null, { ...geometry, outChannels });
          },
        });
        expect(output.shape).toEqual([2, 3, 4, 5]);
        expect(output.stride).toEqual(memoryFormat === 'contiguous' ? [60, 20, 5, 1] : [60, 1, 15, 3]);
      }
    });
  });
});
