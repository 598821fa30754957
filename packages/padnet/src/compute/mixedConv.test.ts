import { grad, nn, ops, randn, scope, type Tensor } from '@padnet/torch';
import { expectClose } from '@padnet/torch/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mixedConv } from './mixedConv.js';

/** One convolution a sample. */
function convolveEach(input: Tensor, coefficients: Tensor, bank: Tensor, geometry: nn.Conv2dGeometry): Tensor {
  const { stride, padding, dilation, groups } = geometry;
  return ops.cat(
    Array.from({ length: input.shape[0]! }, (_, b) => {
      const kernel = ops.tensordot(coefficients.select(0, b), bank, [0], [0]);
      return ops.conv2d(input.narrow(0, b, 1), kernel, { stride, padding, dilation, groups });
    }),
  );
}

const shapes = fc.record({
  batch: fc.integer({ min: 1, max: 4 }),
  groups: fc.integer({ min: 1, max: 3 }),
  inPerGroup: fc.integer({ min: 1, max: 3 }),
  outPerGroup: fc.integer({ min: 1, max: 3 }),
  kernelSize: fc.integer({ min: 1, max: 3 }),
  stride: fc.integer({ min: 1, max: 2 }),
  padding: fc.integer({ min: 0, max: 2 }),
  dilation: fc.integer({ min: 1, max: 2 }),
  numKernels: fc.integer({ min: 1, max: 4 }),
  size: fc.integer({ min: 5, max: 7 }),
});

describe('mixedConv', () => {
  it('equals one convolution a sample with its own mixed kernel, by either plan', () => {
    fc.assert(
      fc.property(shapes, ({ batch, groups, inPerGroup, outPerGroup, numKernels, size, ...conv }) => {
        scope(() => {
          const geometry = nn.conv2dGeometry({
            ...conv,
            groups,
            inChannels: groups * inPerGroup,
            outChannels: groups * outPerGroup,
          });
          const input = randn([batch, geometry.inChannels, size, size], { dtype: 'float64' });
          const coefficients = randn([batch, numKernels], { dtype: 'float64' });
          const bank = randn([numKernels, ...nn.convWeightShape(geometry)], { dtype: 'float64' });
          const expected = convolveEach(input, coefficients, bank, geometry);
          for (const plan of ['perSample', 'perKernel'] as const) {
            expectClose(mixedConv(input, coefficients, bank, geometry, plan), expected, {
              atol: 1e-12,
              rtol: 1e-10,
            });
          }
        });
      }),
      { numRuns: 60 },
    );
  });

  const pointwise = fc.record({
    batch: fc.integer({ min: 1, max: 4 }),
    inChannels: fc.integer({ min: 2, max: 5 }),
    outChannels: fc.integer({ min: 2, max: 5 }),
    stride: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    height: fc.integer({ min: 4, max: 7 }),
    width: fc.integer({ min: 4, max: 7 }),
    memoryFormat: fc.constantFrom('contiguous' as const, 'channels_last' as const),
  });

  it('equals it for kernels of 1×1, one matrix product for several samples, in gradients and memory format too', () => {
    fc.assert(
      fc.property(pointwise, ({ batch, inChannels, outChannels, stride, height, width, memoryFormat }) => {
        scope(() => {
          const geometry = nn.conv2dGeometry({ inChannels, outChannels, kernelSize: 1, stride });
          const input = randn([batch, inChannels, height, width], { dtype: 'float64' }).contiguous({ memoryFormat });
          const coefficients = randn([batch, 3], { dtype: 'float64' });
          const bank = randn([3, outChannels, inChannels, 1, 1], { dtype: 'float64' });
          const inputs = [input, coefficients, bank];
          for (const tensor of inputs) tensor.requiresGrad = true;
          const expected = convolveEach(input, coefficients, bank, geometry);
          const output = mixedConv(input, coefficients, bank, geometry, 'perSample');
          expectClose(output, expected, { atol: 1e-12, rtol: 1e-10 });
          expect(output.stride).toEqual(expected.contiguous({ memoryFormat }).stride);
          const weight = randn(expected.shape, { dtype: 'float64' });
          const gradients = (of: Tensor): Tensor[] => grad(of.mul(weight).sum(), inputs);
          const found = gradients(output);
          for (const [index, gradient] of gradients(expected).entries())
            expectClose(found[index]!, gradient, { atol: 1e-12, rtol: 1e-10 });
        });
      }),
      { numRuns: 80 },
    );
  });
});
