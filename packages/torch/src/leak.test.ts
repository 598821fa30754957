import { it } from 'vitest';
import { backward, manualSeed, noGrad, ops, randn, scope, zeros } from './index.js';
import { checkSteadyMemory } from './testing/index.js';

it('training steps leave resident memory where it was', () => {
  const [first, last] = process.env.PADNET_LONG_TESTS === '1' ? [1_000, 10_000] : [500, 2_000];
  manualSeed(0);
  const parameters = [randn([64, 32]), zeros([64]), randn([10, 64]), zeros([10])];
  for (const parameter of parameters) parameter.requiresGrad = true;
  const [weight1, bias1, weight2, bias2] = parameters as [never, never, never, never];
  const labels = zeros([16], { dtype: 'int64' });

  const step = (): void => {
    scope(() => {
      const hidden = ops.relu(ops.linear(randn([16, 32]), weight1, { bias: bias1 }));
      backward(ops.crossEntropyLoss(ops.linear(hidden, weight2, { bias: bias2 }), labels));
      noGrad(() => {
        const gradients = parameters.map(({ grad }) => grad!);
        ops._foreachAdd_(parameters, gradients, { alpha: -0.01 });
        for (const parameter of parameters) parameter.grad = null;
      });
    });
  };

  checkSteadyMemory(step, { warmUp: first, repeats: last - first });
}, 120_000);
