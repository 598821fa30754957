import { describe, expect, it } from 'vitest';
import { grad, noGrad, randn, scope } from './index.js';
import { adamw_, batchNormActivation, sgd_ } from './nativeOperators.js';
import { checkFailingAllocations, checkSteadyMemory } from './testing/index.js';

function batchNorm(memoryFormat: 'contiguous' | 'channels_last'): () => void {
  const [input, residual] = [1, 2].map(() => randn([4, 19, 9, 9]).contiguous({ memoryFormat })) as [never, never];
  const [weight, bias, mean, variance] = [1, 2, 3, 4].map(() => randn([19])) as [never, never, never, never];
  const leaves = [input, residual, weight, bias];
  for (const leaf of leaves as { requiresGrad: boolean }[]) leaf.requiresGrad = true;
  return () => {
    scope(() => {
      const output = batchNormActivation(input, weight, bias, residual, mean, variance, true, 0.1, 1e-5, 'relu');
      return grad(output.sum(), leaves).length;
    });
  };
}

function optimizers(): () => void {
  const tensors = () => [randn([33, 7]), randn([70_001])];
  const [parameters, gradients, first, second] = [tensors(), tensors(), tensors(), tensors()];
  for (const square of second) square.abs_();
  return () => {
    noGrad(() => {
      sgd_(parameters, gradients, first, 1e-6, 0.9, 0, 0.01, true);
      adamw_(parameters, gradients, first, second, [1, 1], 1e-6, 0.9, 0.99, 1e-8, 0.01);
    });
  };
}

describe.each([
  ['batch norm, contiguous', () => batchNorm('contiguous'), 5],
  ['batch norm, channels-last', () => batchNorm('channels_last'), 5],
  ['steps of SGD and AdamW', optimizers, 0],
] as const)('%s', (_, make, leastFailures) => {
  it('leaves memory as it was', () => {
    checkSteadyMemory(make());
  });

  it('leaves nothing behind where it runs out of memory on the way', () => {
    expect(checkFailingAllocations(make())).toBeGreaterThanOrEqual(leastFailures);
  });
});
