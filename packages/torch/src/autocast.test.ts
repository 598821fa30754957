import { describe, expect, it } from 'vitest';
import { autocast } from './autocast.js';
import * as nn from './nn/index.js';
import { ops, manualSeed, scope, tensor, type Tensor } from './index.js';
import { expectClose } from './testing/index.js';

/** Each exact in bfloat16's 8 binary digits; their sum, 257, is not. */
const a = (): Tensor => tensor([[1, 1]]);
const b = (): Tensor => tensor([[256], [1]]);

describe('autocast', () => {
  it('computes matrix products in bfloat16, and nothing afterwards', () => {
    const product = autocast('bfloat16', () => a().matmul(b()));
    expect(product.dtype).toBe('bfloat16');
    expect(product.item()).toBe(256);
    expect(a().matmul(b()).dtype).toBe('float32');
    expect(a().matmul(b()).item()).toBe(257);
  });

  it('is switched off within, and on again after', () => {
    const dtypes = autocast('bfloat16', () => [
      autocast(null, () => a().matmul(b()).dtype),
      a().matmul(b()).dtype,
      autocast('bfloat16', () => a().matmul(b()).dtype),
      a().matmul(b()).dtype,
    ]);
    expect(dtypes).toEqual(['float32', 'bfloat16', 'bfloat16', 'bfloat16']);
  });

  it('ends where its body throws', () => {
    expect(() =>
      autocast('bfloat16', () => {
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(a().matmul(b()).dtype).toBe('float32');
  });

  it('takes no async function, whose rest would run without it', () => {
    expect(() => autocast('bfloat16', () => Promise.resolve(1))).toThrow(
      new TypeError('autocast() was given an async function; use it between the awaits'),
    );
    expect(a().matmul(b()).dtype).toBe('float32');
  });

  it('leaves float64 and elementwise operators alone', () => {
    autocast('bfloat16', () => {
      expect(a().to('float64').matmul(b().to('float64')).item()).toBe(257);
      expect(a().add(1).dtype).toBe('float32');
    });
  });

  it('sees weights that have changed', () => {
    const weight = tensor([[1], [1]], { requiresGrad: true });
    const product = (): number => autocast('bfloat16', () => a().matmul(weight).item());
    expect(product()).toBe(2);
    weight.detach().fill_(3);
    expect(product()).toBe(6);
  });

  it('gives float32 gradients near those of float32, through convolution, batch norm and residual', () => {
    manualSeed(1);
    const conv = new nn.Conv2d({ inChannels: 3, outChannels: 8, kernelSize: 3, padding: 1 });
    const norm = new nn.BatchNorm2d({ numFeatures: 8, activation: 'relu' });
    const input = ops.randn([4, 3, 6, 6]);
    const run = (dtype: 'bfloat16' | null): { output: Tensor; gradient: Tensor } =>
      scope(() => {
        conv.zeroGrad();
        const output = autocast(dtype, () => {
          const hidden = conv.forward(input);
          return norm.forward(hidden, hidden);
        });
        output.square().mean().backward();
        return { output: output.detach(), gradient: conv.weight.grad!.clone() };
      });
    const [exact, cast] = [run(null), run('bfloat16')];
    expect([cast.output.dtype, cast.gradient.dtype]).toEqual(['float32', 'float32']);
    expect(cast.output.sub(exact.output).abs().max().item()).toBeGreaterThan(0);
    expectClose(cast.output, exact.output, { atol: 0.05, rtol: 0.02 });
    expectClose(cast.gradient, exact.gradient, { atol: 0.01, rtol: 0.05 });
  });
});
