import { backward, grad, manualSeed, memoryUsage, ops, rand, randn, scope, tensor, type Tensor } from '@padnet/torch';
import { expectClose, gradcheck } from '@padnet/torch/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Entries } from '../partial/index.js';
import { groupedExperts, type ExpertPart } from './groupedExperts.js';

const [numExperts, outFeatures, inFeatures, numTokens, k] = [4, 5, 6, 7, 2];
const leaf = (shape: number[]): Tensor => randn(shape, { dtype: 'float64', requiresGrad: true });

/** With a static weight for what is not dynamic. */
function entriesOf(mask: Tensor): Entries & { staticWeight: Tensor } {
  const [dynamic, others] = [mask, mask.logicalNot()].map((entries) =>
    ops.nonzero(entries.reshape([-1])).reshape([-1]),
  );
  return { dynamic: dynamic!, static: others!, staticWeight: leaf([others!.numel]) };
}

/** No token has chosen expert 2. */
function chosenExperts(): Tensor {
  return tensor(Array.from({ length: numTokens }, (_, token) => (token % 2 ? [3n, 0n] : [1n, 3n])));
}

beforeEach(() => {
  manualSeed(4);
});

describe('groupedExperts', () => {
  const parts: [string, ExpertPart][] = [
    ['whole experts', { kind: 'all' }],
    ...[true, false].map((isScaled): [string, ExpertPart] => [
      `entries, the static ones ${isScaled ? '' : 'not '}scaled`,
      {
        kind: 'entries',
        ...entriesOf(rand([outFeatures, inFeatures]).lt(0.5)),
        staticScale: isScaled ? leaf([]) : null,
      },
    ]),
  ];

  describe.each(parts)('of %s', (_, part) => {
    it.each([
      ['with biases and a scale', true],
      ['alone', false],
    ])('%s has the gradients of finite differences', (_, hasMore) => {
      const bank = leaf([numExperts, ...(part.kind === 'all' ? [outFeatures, inFeatures] : part.dynamic.shape)]);
      const operands = {
        tokens: leaf([numTokens, inFeatures]),
        weights: leaf([numTokens, k]),
        bank,
        biasBank: hasMore ? leaf([numExperts, outFeatures]) : null,
        scale: hasMore ? leaf([]) : null,
      };
      const experts = chosenExperts();
      const ofPart = part.kind === 'entries' ? [part.staticWeight, part.staticScale] : [];
      const leaves = [...Object.values(operands), ...ofPart].filter((tensor) => tensor !== null);
      const { checked } = gradcheck(() => groupedExperts({ ...operands, experts, part }), leaves);
      expect(checked).toBeGreaterThan(numTokens * inFeatures + bank.numel);
    });
  });

  it('computes what its definition says', () => {
    const tokens = tensor([[1, 2], [3, 4]]); // prettier-ignore
    const bank = tensor([[[1, 0]], [[0, 1]], [[1, 1]]]);
    const experts = tensor([[2n, 0n], [1n, 2n]]); // prettier-ignore
    const weights = tensor([[0.75, 0.25], [0.5, 0.5]]); // prettier-ignore
    const biasBank = tensor([[10], [20], [30]]);
    const scale = tensor(2);
    const output = groupedExperts({ tokens, experts, weights, bank, part: { kind: 'all' }, biasBank, scale });
    // 0.75·(2·3 + 30) + 0.25·(2·1 + 10) and 0.5·(2·4 + 20) + 0.5·(2·7 + 30)
    expectClose(output, [[30], [36]]);
  });

  it('takes each entry from where it belongs, and no value from experts that nobody chose', () => {
    const mask = rand([outFeatures, inFeatures]).lt(0.5);
    const weight = randn([outFeatures, inFeatures], { dtype: 'float64' });
    const tokens = randn([numTokens, inFeatures], { dtype: 'float64' });
    const experts = chosenExperts();
    const weights = ops.full([numTokens, k], 0.5, { dtype: 'float64' });
    const inUse = weight.maskedSelect(mask);
    const bank = inUse.expand([numExperts, inUse.numel]).clone();
    bank.select(0, 2).fill_(NaN);
    const staticWeight = weight.maskedSelect(mask.logicalNot());
    const part = { kind: 'entries', ...entriesOf(mask), staticWeight, staticScale: null } as const;
    const output = groupedExperts({ tokens, experts, weights, bank, part, biasBank: null, scale: null });
    expectClose(output, ops.linear(tokens, weight), { atol: 1e-12 });
  });

  it.each([
    ['moe', (): ExpertPart => ({ kind: 'all' }), [64, 64]],
    [
      'partial',
      (): ExpertPart => {
        const entries = entriesOf(ops.arange(4096, {}).remainder(2).eq(0));
        return { kind: 'entries', ...entries, staticWeight: randn([2048]), staticScale: null };
      },
      [2048],
    ],
  ] as const)('holds nothing of the size of the bank but the bank and its gradient: %s', (_, makePart, entry) => {
    scope(() => {
      const bank = randn([32, ...entry]);
      bank.requiresGrad = true;
      const part = makePart();
      const tokens = randn([32, 64]);
      const experts = ops.arange(64, { dtype: 'int64' }).remainder(32).reshape([32, 2]);
      const weights = ops.full([32, 2], 0.5);
      const { allocated } = memoryUsage({ resetPeak: true });
      const output = groupedExperts({ tokens, experts, weights, bank, part, biasBank: null, scale: null });
      const whole = 32 * 64 * 64 * 4;
      expect(memoryUsage().peak - allocated).toBeLessThan(0.3 * whole);
      backward(output, { gradients: [randn([32, 64])] });
      expect(memoryUsage().peak - allocated).toBeLessThan(bank.byteLength + 0.3 * whole);
      expect(bank.grad!.byteLength).toBe(bank.byteLength);
    });
  });

  it('says that its gradients have none', () => {
    const tokens = leaf([numTokens, inFeatures]);
    const bank = leaf([numExperts, outFeatures, inFeatures]);
    const weights = leaf([numTokens, k]);
    const experts = chosenExperts();
    const output = groupedExperts({
      tokens,
      experts,
      weights,
      bank,
      part: { kind: 'all' },
      biasBank: null,
      scale: null,
    });
    expect(() => {
      grad(output.sum(), [bank], { createGraph: true });
    }).toThrow('the gradients of a mixture of experts cannot be differentiated again');
  });
});
