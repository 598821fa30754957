import { nn, ops, randn, scope } from '@padnet/torch';
import { expectClose } from '@padnet/torch/testing';
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { mixedConv2d } from './mixedConv2d.js';

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

describe('mixedConv2d', () => {
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
          const bank = randn([numKernels, ...nn.conv2dWeightShape(geometry)], { dtype: 'float64' });
          const { stride, padding, dilation } = geometry;
          const expected = ops.cat(
            Array.from({ length: batch }, (_, b) => {
              const kernel = ops.tensordot(coefficients.select(0, b), bank, [0], [0]);
              return ops.conv2d(input.narrow(0, b, 1), kernel, {
                stride,
                padding,
                dilation,
                groups,
              });
            }),
          );
          for (const plan of ['perSample', 'perKernel'] as const) {
            expectClose(mixedConv2d(input, coefficients, bank, geometry, plan), expected, {
              atol: 1e-12,
              rtol: 1e-10,
            });
          }
        });
      }),
      { numRuns: 60 },
    );
  });
});
