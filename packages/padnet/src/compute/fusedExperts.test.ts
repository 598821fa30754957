import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { backward, fromTypedArray, grad, memoryUsage, ops, randn, scope, tensor, zeros } from '@padnet/torch';
import { expectClose, gradcheck } from '@padnet/torch/testing';
import { describe, expect, it } from 'vitest';
import { fusedExperts, type FusedExpertsInputs } from './nativeOperators.js';

const child = fileURLToPath(new URL('./fusedExperts.test.child.js', import.meta.url));
const numRuns = process.env.PADNET_LONG_TESTS ? 1000 : 50;

const [numExperts, outFeatures, inFeatures] = [3, 4, 6];
const leaf = (shape: number[]) => randn(shape, { dtype: 'float64', requiresGrad: true });
const experts = tensor([[0n, 2n], [2n, 0n], [0n, 2n], [2n, 2n], [0n, 2n]]); // prettier-ignore
/** Masks of 24 entries: single ones, the rows 0 and 2, the columns 1 and 4. */
const masks = { entries: [0b01011001, 0b11100010, 0b00010100], rows: [0x3f, 0xf0, 0x03], columns: [0x92, 0x24, 0x49] };

describe('the native mixture of experts', () => {
  it.each(['avx512', 'avx2', 'portable'])(
    'equals the composition of libtorch operators, with all its gradients: %s',
    async (isa) => {
      const { stdout } = await promisify(execFile)(process.execPath, [child, String(numRuns)], {
        env: { ...process.env, PADNET_ISA: isa },
      });
      const { float64, float32 } = JSON.parse(stdout) as Record<'float64' | 'float32', number>;
      expect(float64).toBeLessThan(1e-10);
      expect(float32).toBeLessThan(1e-5);
      expect(float64).toBeGreaterThan(0);
    },
    300_000,
  );

  it.each(['whole', 'entries', 'rows', 'columns'] as const)(
    'has the gradients of finite differences, whatever the weights sum to, also where nobody chose an expert: %s',
    (kind) => {
      scope(() => {
        const bits = kind === 'whole' ? null : masks[kind];
        const count = (bits ?? []).reduce((sum, byte) => sum + ones(byte), 0);
        const bank = leaf(bits ? [numExperts, count] : [numExperts, outFeatures, inFeatures]);
        const staticPart = bits && {
          weight: leaf([24 - count]),
          scale: leaf([]),
          maskBits: fromTypedArray(new Uint8Array(bits)),
        };
        const inputs = {
          tokens: leaf([5, inFeatures]),
          weights: leaf([5, 2]),
          bank,
          biasBank: leaf([numExperts, outFeatures]),
          scale: leaf([]),
        };
        const leaves = [...Object.values(inputs), ...(staticPart ? [staticPart.weight, staticPart.scale] : [])];
        gradcheck(() => fusedExperts({ ...inputs, experts, staticPart, outFeatures }), leaves);
        const gradients = grad(fusedExperts({ ...inputs, experts, staticPart, outFeatures }).sum(), [bank]);
        expect(gradients[0]!.select(0, 1).abs().sum().item()).toBe(0);
      });
    },
  );

  it('gives the same bits from run to run', () => {
    scope(() => {
      // prettier-ignore
      const leaves = [[70, 300], [70, 2], [numExperts, 40, 300]].map((shape) => randn(shape, { requiresGrad: true }));
      const [tokens, weights, bank] = leaves as [(typeof leaves)[0], (typeof leaves)[0], (typeof leaves)[0]];
      const chosen = ops.arange(140, { dtype: 'int64' }).remainder(numExperts).reshape([70, 2]);
      const run = () => {
        const given = { tokens, weights, bank, experts: chosen, biasBank: null, scale: null, staticPart: null };
        const output = fusedExperts({ ...given, outFeatures: 40 });
        return [output, ...grad(output.sin().sum(), leaves)];
      };
      const first = run();
      for (const [index, result] of run().entries()) expect(ops.equal(result, first[index]!)).toBe(true);
    });
  });

  it('holds nothing of the size of the bank but the bank and its gradient', () => {
    scope(() => {
      const bank = randn([32, 64, 64], { requiresGrad: true });
      const chosen = ops.arange(64, { dtype: 'int64' }).remainder(32).reshape([32, 2]);
      const given = { tokens: randn([32, 64]), weights: ops.full([32, 2], 0.5), bank, experts: chosen };
      const { allocated } = memoryUsage({ resetPeak: true });
      const output = fusedExperts({ ...given, biasBank: null, scale: null, staticPart: null, outFeatures: 64 });
      backward(output, { gradients: [randn([32, 64])] });
      expect(memoryUsage().peak - allocated).toBeLessThan(2 * bank.byteLength);
      expect(bank.grad!.byteLength).toBe(bank.byteLength);
    });
  });

  const given: FusedExpertsInputs = {
    tokens: randn([5, inFeatures]),
    experts,
    weights: randn([5, 2]),
    bank: randn([numExperts, outFeatures, inFeatures]),
    biasBank: null,
    scale: null,
    staticPart: null,
    outFeatures,
  };

  it('takes no tokens, lets NaN through, and reads no expert that nobody chose', () => {
    scope(() => {
      const empty = {
        tokens: zeros([0, inFeatures]),
        experts: zeros([0, 2], { dtype: 'int64' }),
        weights: zeros([0, 2]),
      };
      expect(fusedExperts({ ...given, ...empty }).shape).toEqual([0, outFeatures]);
      const bank = given.bank.clone();
      bank.select(0, 1).fill_(NaN);
      expectClose(fusedExperts({ ...given, bank }), fusedExperts(given), { atol: 0 });
      const broken = fusedExperts({ ...given, tokens: given.tokens.mul(NaN) });
      expect(broken.toArray().every(Number.isNaN)).toBe(true);
    });
  });

  const staticPart = { weight: zeros([24]), scale: zeros([]), maskBits: zeros([3], { dtype: 'uint8' }) };
  it.each<[string, Partial<FusedExpertsInputs>, string]>([
    ['an expert that there is not', { experts: experts.add(1n) }, 'there is no expert 3 of 3'],
    ['a negative expert', { experts: experts.sub(1n) }, 'there is no expert -1 of 3'],
    ['experts of other tokens', { experts: experts.narrow(0, 0, 4) }, 'the experts must be [5, k]'],
    ['experts that are not int64', { experts: experts.to('int32') }, 'the experts must be int64'],
    ['other weights', { weights: zeros([5, 3]) }, 'the weights must be'],
    ['tokens of another width', { tokens: zeros([5, 7]) }, 'the bank must be [3, 4, 7]'],
    ['a single token', { tokens: zeros([6]) }, 'the tokens must be'],
    ['another number of outputs', { outFeatures: 2 ** 40 }, 'out_features'],
    ['another dtype', { weights: zeros([5, 2], { dtype: 'float64' }) }, 'the weights must be [5, 2], Float'],
    ['a bias bank of another shape', { biasBank: zeros([2, 4]) }, 'the bias bank must be [3, 4]'],
    ['a scale that is none', { scale: zeros([2]) }, 'scale must be one number'],
    ['a bank that is not compact', { staticPart }, 'the bank must be [3, 0]'],
    ['another compact bank', { staticPart, bank: zeros([3, 5]) }, 'the bank must be [3, 0]'],
    [
      'another static weight',
      { staticPart: { ...staticPart, weight: zeros([23]) }, bank: zeros([3, 0]) },
      'must be [24]',
    ],
    [
      'a mask of another size',
      { staticPart: { ...staticPart, maskBits: zeros([4], { dtype: 'uint8' }) }, bank: zeros([3, 0]) },
      'the mask must have 3 bytes',
    ],
  ])('refuses %s', (_, wrong, message) => {
    expect(() => scope(() => fusedExperts({ ...given, ...wrong }))).toThrow(message);
  });

  it('refuses to be differentiated twice', () => {
    scope(() => {
      const tokens = randn([5, inFeatures], { requiresGrad: true });
      const output = fusedExperts({ ...given, tokens });
      expect(() => grad(output.sum(), [tokens], { createGraph: true })).toThrow(
        'cannot be differentiated twice; use the plan dense',
      );
    });
  });
});

function ones(byte: number): number {
  return byte === 0 ? 0 : (byte & 1) + ones(byte >> 1);
}
