import {
  backward,
  grad,
  manualSeed,
  memoryUsage,
  ops,
  rand,
  randn,
  scope,
  tensor,
  zeros,
  type Tensor,
} from '@padnet/torch';
import { expectClose, gradcheck } from '@padnet/torch/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { groupedExperts, type ExpertPart } from './groupedExperts.js';

const [numExperts, outFeatures, inFeatures, numTokens, k] = [4, 5, 6, 7, 2];
const leaf = (shape: number[]): Tensor => randn(shape, { dtype: 'float64', requiresGrad: true });
const lines = tensor([0n, 2n, 3n]);

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
    ['rows', { kind: 'rows', lines }],
    ['columns', { kind: 'columns', lines }],
    ...[true, false].map((isScaled): [string, ExpertPart] => [
      `entries, the static ones ${isScaled ? '' : 'not '}scaled`,
      {
        kind: 'entries',
        mask: rand([outFeatures, inFeatures]).lt(0.5),
        staticWeight: leaf([outFeatures, inFeatures]),
        staticScale: isScaled ? leaf([]) : null,
      },
    ]),
  ];

  describe.each(parts)('of %s', (_, part) => {
    it.each([
      ['with biases and a scale', true],
      ['alone', false],
    ])('%s has the gradients of finite differences', (_, hasMore) => {
      const [outputs, inputs] = {
        all: [outFeatures, inFeatures],
        rows: [lines.numel, inFeatures],
        columns: [outFeatures, lines.numel],
        entries: [outFeatures, inFeatures],
      }[part.kind] as [number, number];
      const operands = {
        tokens: leaf([numTokens, inputs]),
        weights: leaf([numTokens, k]),
        bank: leaf([numExperts, outFeatures, inFeatures]),
        biasBank: hasMore ? leaf([numExperts, outputs]) : null,
        scale: hasMore ? leaf([]) : null,
      };
      const experts = chosenExperts();
      const ofPart = part.kind === 'entries' ? [part.staticWeight, part.staticScale] : [];
      const leaves = [...Object.values(operands), ...ofPart].filter((tensor) => tensor !== null);
      const { checked } = gradcheck(() => groupedExperts({ ...operands, experts, part }), leaves);
      expect(checked).toBeGreaterThan(numTokens * inputs + numExperts * outFeatures * inFeatures);
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

  it('takes no value from bank entries outside the mask or from experts that nobody chose', () => {
    const bank = randn([numExperts, outFeatures, inFeatures]);
    const mask = zeros([outFeatures, inFeatures], { dtype: 'bool' });
    const staticWeight = randn([outFeatures, inFeatures]);
    const tokens = randn([numTokens, inFeatures]);
    const experts = chosenExperts();
    const weights = ops.full([numTokens, k], 0.5);
    const part = { kind: 'entries', mask, staticWeight, staticScale: null } as const;
    bank.select(0, 2).fill_(NaN);
    const output = groupedExperts({ tokens, experts, weights, bank, part, biasBank: null, scale: null });
    expectClose(output, ops.linear(tokens, staticWeight), { atol: 1e-5 });
  });

  it.each([
    ['moe', (): ExpertPart => ({ kind: 'all' })],
    [
      'partial',
      (): ExpertPart => ({
        kind: 'entries',
        mask: rand([64, 64]).lt(0.5),
        staticWeight: randn([64, 64]),
        staticScale: null,
      }),
    ],
  ])('holds nothing of the size of the bank but the bank and its gradient: %s', (_, makePart) => {
    scope(() => {
      const bank = randn([32, 64, 64]);
      bank.requiresGrad = true;
      const part = makePart();
      const tokens = randn([32, 64]);
      const experts = ops.arange(64, { dtype: 'int64' }).remainder(32).reshape([32, 2]);
      const weights = ops.full([32, 2], 0.5);
      const { allocated } = memoryUsage({ resetPeak: true });
      const output = groupedExperts({ tokens, experts, weights, bank, part, biasBank: null, scale: null });
      expect(memoryUsage().peak - allocated).toBeLessThan(0.3 * bank.byteLength);
      backward(output, { gradients: [randn([32, 64])] });
      expect(memoryUsage().peak - allocated).toBeLessThan(1.3 * bank.byteLength);
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
    }).toThrow('the gradients of a mixture of experts can not be differentiated again');
  });
});
