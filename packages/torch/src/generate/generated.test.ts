import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { libtorchVersion } from '../index.js';
import { parameters, parseName, skipReason, writeLibrary, writeMethods, writeOperators } from './operatorTypes.js';
import { registeredSchemas } from './registeredSchemas.js';
import type { NativeArgument, NativeOperator } from '../native.js';

const read = (name: string): string => readFileSync(new URL(`../../src/${name}`, import.meta.url), 'utf8');
const committed = read('ops.generated.ts');
const generatedFrom = /schemas of libtorch ([\d.]+)\./.exec(committed)?.[1];
const { version } = libtorchVersion();
const { schemas, skipped } = registeredSchemas();

describe.skipIf(version !== generatedFrom)(
  `generated files (of libtorch ${generatedFrom ?? '?'}, running ${version})`,
  () => {
    it('are what the generator writes', () => {
      expect(writeOperators(schemas, version) === committed).toBe(true);
      expect(writeMethods(schemas, version) === read('tensorMethods.generated.ts')).toBe(true);
    });

    it('leave out what has no safe function, for a reason', () => {
      const byReason: Record<string, number> = {};
      for (const { reason } of skipped) {
        const general = reason.replace(/'\w+'/, "'…'");
        byReason[general] = (byReason[general] ?? 0) + 1;
      }
      expect(schemas.length + skipped.length).toBe(3199);
      expect(byReason).toMatchInlineSnapshot(`
        {
          "a kernel for a device or library that is chosen by libtorch itself, never by name": 136,
          "an internal step of another operator, which checks its arguments": 120,
          "argument '…' has a type that JavaScript has no value for": 22,
          "changes what libtorch knows of a tensor’s memory, without checks": 88,
          "divides by zero where groups do not divide the channels; channel_shuffle checks": 1,
          "named dimensions are not supported": 109,
          "nested, named and batched (vmap) tensors are not supported": 44,
          "part of libtorch’s own machinery (profiler, interpreter, tests)": 48,
          "quantized tensors are not supported: their kernels check neither dtype nor quantization parameters": 265,
          "reads as many statistics as the input has channels; batch_norm checks": 4,
          "returns a type that JavaScript has no value for": 6,
          "takes time in proportion to the largest element, without an end for 1e9": 72,
          "the gradient of another operator: libtorch calls it with arguments that it has checked before": 213,
          "trusts the shape of \`noise\`; rrelu makes its own": 2,
          "trusts the shape of \`noise\`; rrelu_ makes its own": 1,
          "trusts the sizes that it is given; group_norm checks": 2,
        }
      `);
    });
  },
);

describe('every libtorch', () => {
  it('offers the operators that networks are made of', () => {
    const offered = new Set(schemas.map(({ namespace, name }) => `${namespace}::${name}`));
    const needed =
      'conv1d conv2d conv3d conv_transpose2d convolution convolution_backward linear matmul bmm addmm batch_norm ' +
      'layer_norm group_norm instance_norm embedding embedding_bag dropout relu gelu silu sigmoid tanh softmax ' +
      'log_softmax hardtanh max_pool2d avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d nll_loss ' +
      'cross_entropy_loss mse_loss l1_loss binary_cross_entropy_with_logits smooth_l1_loss kl_div ctc_loss index ' +
      'index_put_ index_select gather scatter scatter_add where masked_fill topk sort argmax cumsum cat stack split ' +
      'chunk unfold im2col col2im pad upsample_bilinear2d upsample_nearest2d grid_sampler pixel_shuffle lstm gru ' +
      'einsum linalg_svd linalg_solve linalg_inv linalg_cholesky fft_rfft bernoulli multinomial normal randperm ' +
      '_foreach_add_ _foreach_mul_ _foreach_addcdiv_ _foreach_addcmul_ _foreach_norm _sample_dirichlet';
    expect(needed.split(' ').filter((name) => !offered.has(`aten::${name}`))).toEqual([]);
  });
});

const argument = (name: string, kind: NativeArgument['kind'], more: Partial<NativeArgument> = {}): NativeArgument => ({
  name,
  kind,
  optional: false,
  hasDefault: false,
  keywordOnly: false,
  listSize: 0,
  ...more,
});

describe('the generator', () => {
  it('splits names', () => {
    expect(parseName('aten::add.Tensor(Tensor self) -> Tensor')).toEqual({
      namespace: 'aten',
      name: 'add',
      overload: 'Tensor',
    });
    expect(parseName('padnet::mix(Tensor x) -> Tensor')).toEqual({ namespace: 'padnet', name: 'mix', overload: '' });
    expect(() => parseName('nothing')).toThrow('not a schema');
  });

  it('puts required arguments first and the rest in one options object', () => {
    expect(
      parameters([
        argument('input', 'Tensor'),
        argument('kernel_size', 'int[]', { listSize: 2 }),
        argument('var', 'int', { optional: true }),
        argument('ceil_mode', 'bool', { hasDefault: true }),
        argument('generator', 'Generator', { optional: true, hasDefault: true, keywordOnly: true }),
      ]),
    ).toBe(
      'input: Tensor, kernelSize: readonly number[] | number, var_: number | null, ' +
        'options?: { ceilMode?: boolean; generator?: Generator | null }',
    );
    expect(parameters([argument('self', 'Tensor'), argument('out', 'Tensor', { keywordOnly: true })])).toBe(
      'self: Tensor, options: { out: Tensor }',
    );
  });

  it('exports the operators of a library by name', () => {
    const operator: NativeOperator = {
      index: 0,
      schema: 'mine::weigh_all(Tensor x, Tensor? by) -> Tensor',
      arguments: [argument('x', 'Tensor'), argument('by', 'Tensor', { optional: true })],
      returns: [{ kind: 'Tensor', alias: -1 }],
    };
    const text = writeLibrary([{ namespace: 'mine', name: 'weigh_all', overload: '', operator }], 'npm run generate');
    expect(text).toContain('// Generated by `npm run generate` from');
    expect(text).toContain('export const weighAll = operator<{');
    expect(text).toContain('(x: Tensor, by: Tensor | null): Tensor;');
    expect(text).toContain("}>('mine::weigh_all', { '': ['x', 'by'] })");
  });

  it('says why a schema gets no function', () => {
    const of = (list: NativeArgument[], returns: NativeOperator['returns'] = []): string | null =>
      skipReason({ index: 0, schema: '', arguments: list, returns });
    expect(of([argument('x', 'unsupported')])).toContain("argument 'x' has a type");
    expect(of([argument('x', 'unsupported', { hasDefault: true })])).toBeNull();
    expect(of([argument('a_b', 'int'), argument('aB', 'int')])).toBe('two of its arguments have one name');
    expect(of([argument('dim', 'string')])).toBe('named dimensions are not supported');
    expect(of([], [{ kind: 'unsupported', alias: -1 }])).toContain('returns a type');
  });
});
