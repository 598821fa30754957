import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  fromTypedArray,
  getNumThreads,
  grad,
  memoryUsage,
  nn,
  noGrad,
  ops,
  randn,
  scope,
  setNumThreads,
  zeros,
  type Tensor,
} from '@padnet/torch';
import { expectClose } from '@padnet/torch/testing';
import { describe, expect, it } from 'vitest';
import { Bank, KernelAttention } from '../dynamic/index.js';
import { fusedConv2d, packConv2d, packedConv2d } from './nativeOperators.js';
import { DynamicConv2d } from '../layers/dynamicConvolutions.js';

const child = fileURLToPath(new URL('./fusedConv2d.test.child.js', import.meta.url));
const numRuns = process.env.PADNET_LONG_TESTS ? 2000 : 40;

const geometry = nn.conv2dGeometry({ inChannels: 4, outChannels: 6, kernelSize: 3, padding: 1 });
const size = 6 * 4 * 9;

describe('the native dynamic convolution', () => {
  it.each(['avx512', 'avx2', 'portable'])(
    'equals the composition of libtorch operators, with all its gradients: %s',
    async (isa) => {
      const { stdout } = await promisify(execFile)(process.execPath, [child, String(numRuns)], {
        env: { ...process.env, PADNET_ISA: isa },
      });
      const { float64, float32 } = JSON.parse(stdout) as Record<'float64' | 'float32', number>;
      expect(float64).toBeLessThan(1);
      expect(float32).toBeLessThan(1);
      expect(float64).toBeGreaterThan(0);
    },
    300_000,
  );

  it('gives the same bits from run to run', () => {
    scope(() => {
      const input = randn([5, 4, 9, 9], { requiresGrad: true });
      const coefficients = randn([5, 3], { requiresGrad: true });
      const bank = randn([3, 6, 4, 3, 3], { requiresGrad: true });
      const run = () => {
        const output = fusedConv2d(input, coefficients, bank, null, geometry);
        return [output, ...grad(output.sin().sum(), [input, coefficients, bank])];
      };
      const first = run();
      for (const [index, tensor] of run().entries()) expect(ops.equal(tensor, first[index]!)).toBe(true);
    });
  });

  it('takes a batch of none, and lets NaN through', () => {
    scope(() => {
      const bank = randn([3, 6, 4, 3, 3], { requiresGrad: true });
      const empty = fusedConv2d(zeros([0, 4, 5, 5]), zeros([0, 3]), bank, null, geometry);
      expect(empty.shape).toEqual([0, 6, 5, 5]);
      expect(grad(empty.sum(), [bank])[0]!.abs().sum().item()).toBe(0);
      // One tile for several threads is cut by samples.
      const before = getNumThreads();
      for (const threads of [1, 2, 3]) {
        setNumThreads(threads);
        const x = zeros([0, 4, 5, 5], { requiresGrad: true });
        const output = fusedConv2d(x, zeros([0, 3]), bank, null, geometry);
        expect(grad(output.sum(), [x])[0]!.shape).toEqual([0, 4, 5, 5]);
        const packed = packConv2d(bank, null, null, geometry);
        expect(packedConv2d(zeros([0, 4, 5, 5]), zeros([0, 3]), packed, geometry).shape).toEqual([0, 6, 5, 5]);
      }
      setNumThreads(before);
      const broken = fusedConv2d(randn([1, 4, 5, 5]).mul(NaN), randn([1, 3]), bank, null, geometry);
      expect(broken.isnan().sum().item()).toBe(broken.numel);
    });
  });

  const mask = fromTypedArray(new Uint8Array(size / 8));
  const input = randn([2, 4, 5, 5]);
  const coefficients = randn([2, 3]);
  const bank = randn([3, 6, 4, 3, 3]);
  const staticPart = { weight: zeros([size]), scale: zeros([]), maskBits: mask };
  it.each<[string, () => unknown, string]>([
    [
      'a bank of another shape',
      () => fusedConv2d(input, coefficients, zeros([3, 6, 4, 3, 2]), null, geometry),
      'the bank must be',
    ],
    [
      'other coefficients',
      () => fusedConv2d(input, zeros([3, 3]), bank, null, geometry),
      'the coefficients must be [2, 3]',
    ],
    [
      'another dtype',
      () => fusedConv2d(input, coefficients.to('float64'), bank, null, geometry),
      'the coefficients must be [2, 3], Float on the CPU, got Double',
    ],
    [
      'whole numbers',
      () => fusedConv2d(input.to('int64'), coefficients, bank, null, geometry),
      'float32 and float64 only',
    ],
    [
      'too few channels',
      () => fusedConv2d(zeros([2, 3, 5, 5]), coefficients, bank, null, geometry),
      'does not fit weights',
    ],
    [
      'an input without batch',
      () => fusedConv2d(zeros([4, 5, 5]), coefficients, bank, null, geometry),
      'must be [batch',
    ],
    [
      'an input smaller than the kernel',
      () => fusedConv2d(zeros([2, 4, 0, 5]), coefficients, bank, null, geometry),
      'does not fit an input',
    ],
    [
      'a bank that is not compact',
      () => fusedConv2d(input, coefficients, bank, staticPart, geometry),
      'the bank must be [3, 0]',
    ],
    [
      'a mask of another size',
      () =>
        fusedConv2d(
          input,
          coefficients,
          zeros([3, 0]),
          { ...staticPart, maskBits: zeros([3], { dtype: 'uint8' }) },
          geometry,
        ),
      `the mask must have ${size / 8} bytes`,
    ],
    [
      'a static weight of another size',
      () => fusedConv2d(input, coefficients, zeros([3, 0]), { ...staticPart, weight: zeros([size - 1]) }, geometry),
      `static_weight must be [${size}]`,
    ],
    [
      'a stride of zero',
      () => fusedConv2d(input, coefficients, bank, null, { ...geometry, stride: [0, 1] }),
      'stride must be positive',
    ],
    [
      'a weight beyond measure',
      () =>
        packConv2d(
          zeros([3, 0]),
          null,
          { ...staticPart, weight: zeros([0]), maskBits: zeros([0], { dtype: 'uint8' }) },
          {
            ...geometry,
            outChannels: 256,
            inChannels: 2 ** 52,
            kernelSize: [1, 1],
          },
        ),
      'is too large',
    ],
    [
      'maps beyond measure',
      () =>
        fusedConv2d(zeros([2, 4, 2, 2]), coefficients, bank, null, {
          ...geometry,
          stride: [2 ** 31 - 1, 2 ** 31 - 1],
          padding: [2 ** 31 - 1, 2 ** 31 - 1],
        }),
      'are too large',
    ],
    [
      'padding beyond measure',
      () => fusedConv2d(input, coefficients, bank, null, { ...geometry, padding: [2 ** 40, 1] }),
      'padding',
    ],
  ])('refuses %s', (_, call, message) => {
    expect(() => scope(call)).toThrow(message);
  });

  it('refuses a packed weight of another convolution, or coefficients of another number', () => {
    scope(() => {
      const packed = packConv2d(bank, null, null, geometry);
      expect(packedConv2d(input, coefficients, packed, geometry).shape).toEqual([2, 6, 5, 5]);
      const [packedBank, staticWeight, maskBits, filters] = packed;
      const call =
        (...changed: [Tensor, Tensor, Tensor, Tensor]) =>
        () =>
          packedConv2d(input, coefficients, changed, geometry);
      const other = packConv2d(zeros([3, 8, 4, 3, 3]), null, null, { ...geometry, outChannels: 8 });
      expect(call(...(other as [Tensor, Tensor, Tensor, Tensor]))).toThrow('filters must have an index for each');
      expect(call(packedBank.slice({ dim: 1, end: 9 }), staticWeight, maskBits, filters)).toThrow('the bank must have');
      expect(call(packedBank, staticWeight, zeros([7], { dtype: 'uint8' }), filters)).toThrow('a bit an entry');
      expect(call(packedBank, staticWeight, maskBits, filters.add(1))).toThrow('those of each group');
      expect(call(packedBank, staticWeight, maskBits, filters.sub(1))).toThrow('those of each group');
      expect(call(packedBank, staticWeight, maskBits, filters.mul(0))).toThrow('those of each group');
      expect(call(packedBank.to('float64'), staticWeight, maskBits, filters)).toThrow('the bank must have');
      expect(() => packedConv2d(input, zeros([2, 4]), packed, geometry)).toThrow('the coefficients must be [2, 3]');
      expect(() => packConv2d(bank, null, staticPart, geometry)).toThrow('the bank must be [3, 0]');
      expect(() => packConv2d(bank, zeros([2]), null, geometry)).toThrow('scale must be one number');
      expect(() => packConv2d(bank, null, null, geometry, zeros([5]))).toThrow('filter_scale must be [6], Float');
      const ended =
        (shift: Tensor, residual: Tensor | null = null, activation: nn.Activation = 'relu') =>
        () =>
          packedConv2d(input, coefficients, packed, geometry, { shift, residual, activation });
      expect(ended(zeros([5]))).toThrow('shift must be [6], Float');
      expect(ended(zeros([6], { dtype: 'float64' }))).toThrow('shift must be [6], Float');
      expect(ended(zeros([6]), zeros([2, 6, 5, 4]))).toThrow('the residual must be like the output [2, 6, 5, 5]');
      expect(ended(zeros([6]), null, 'tanh' as nn.Activation)).toThrow("'none', 'relu' or 'relu6', got 'tanh'");
    });
  });

  it('packs anew where weights have changed, and keeps nothing in training', () => {
    scope(() => {
      const source = new Bank(randn([3, 6, 4, 3, 3]));
      const router = new KernelAttention({ inChannels: 4, numKernels: 3 });
      const layer = new DynamicConv2d({ geometry, router, source }).eval();
      const evaluate = (plan: 'fused' | 'perSample'): Tensor => {
        layer.plan = plan;
        return noGrad(() => layer.forward(input));
      };
      evaluate('fused');
      noGrad(() => source.bank.mul_(2));
      expectClose(evaluate('fused'), evaluate('perSample'), { rtol: 1e-5, atol: 1e-5 });
      evaluate('fused');
      const kept = memoryUsage().allocated;
      layer.plan = 'fused';
      layer.train();
      scope(() => layer.forward(input).dim);
      expect(kept - memoryUsage().allocated).toBeGreaterThanOrEqual(source.bank.byteLength);
    });
  });

  it('refuses to be differentiated twice, and says what to do', () => {
    scope(() => {
      const x = randn([2, 4, 5, 5], { requiresGrad: true });
      const output = fusedConv2d(x, coefficients, bank, null, geometry);
      expect(() => grad(output.sum(), [x], { createGraph: true })).toThrow(
        'cannot be differentiated twice; use the plan perSample or perKernel',
      );
    });
  });
});
