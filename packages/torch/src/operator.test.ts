import { describe, expect, it } from 'vitest';
import { registeredSchemas } from './generate/registeredSchemas.js';
import { camelCase, Generator, liveTensors, operator, ops, randn, scope, tensor, zeros, type Tensor } from './index.js';
import type { ArgumentKind } from './native.js';
import { isPositional } from './overload.js';

type Loose = (...values: unknown[]) => unknown;

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- for any type that may be wrong
const wrong = <T>(value: unknown): T => value as T;

describe('an operator', () => {
  it('takes positional and named arguments', () => {
    const x = tensor([
      [1, 2],
      [3, 4],
    ]);
    expect(ops.sum(x).item()).toBe(10);
    expect(ops.sum(x, [0]).toArray()).toEqual([4, 6]);
    expect(ops.sum(x, 1, { keepdim: true }).shape).toEqual([2, 1]);
    expect(ops.cat([x, x], { dim: 1 }).shape).toEqual([2, 4]);
    expect(ops.sum(x, { dtype: 'float64' }).dtype).toBe('float64');
  });

  it('chooses the overload that its arguments fit', () => {
    const x = tensor([4, 9]);
    expect(ops.pow(x, 2).toArray()).toEqual([16, 81]);
    expect(ops.pow(x, tensor([1, 2])).toArray()).toEqual([4, 81]);
    expect(ops.pow(2, tensor([3, 4])).toArray()).toEqual([8, 16]);
    expect(ops.add(tensor([1n]), 1).dtype).toBe('int64');
    expect(ops.add(tensor([1n]), 0.5).dtype).toBe('float32');
    expect(ops.max(x).item()).toBe(9);
    const [values, indices] = ops.max(x, 0);
    expect([values.item(), indices.item()]).toEqual([9, 1]);
    expect(ops.div(x, 4, { roundingMode: 'floor' }).toArray()).toEqual([1, 2]);
    expect(ops.split(x, 1).map((part: Tensor) => part.item())).toEqual([4, 9]);
  });

  it('lets one number stand for a fixed-length list', () => {
    const x = zeros([1, 1, 4, 4]);
    const weight = zeros([1, 1, 3, 3]);
    expect(ops.conv2d(x, weight, { padding: 1, stride: 2 }).shape).toEqual([1, 1, 2, 2]);
    expect(ops.conv2d(x, weight, { padding: [1, 0], stride: [1] }).shape).toEqual([1, 1, 4, 2]);
  });

  it('takes null for an optional tensor', () => {
    expect(ops.linear(tensor([[1, 2]]), tensor([[3, 4]]), { bias: null }).item()).toBe(11);
    expect(ops.clamp(tensor([-1, 5]), { min: null, max: 3 }).toArray()).toEqual([-1, 3]);
  });

  it('gives back the same Tensor object where it works in place', () => {
    const x = tensor([1, 2]);
    const before = liveTensors();
    expect(ops.add_(x, 1)).toBe(x);
    expect(x.mul_(2)).toBe(x);
    expect(liveTensors()).toBe(before);
    expect(x.toArray()).toEqual([4, 6]);
  });

  it('writes to `out` and gives it back', () => {
    const out = zeros([2]);
    expect(ops.add(tensor([1, 2]), tensor([3, 4]), { out })).toBe(out);
    expect(out.toArray()).toEqual([4, 6]);
    const values = zeros([]);
    const indices = zeros([], { dtype: 'int64' });
    expect(ops.max(tensor([1, 5]), 0, { max: values, maxValues: indices })).toEqual([values, indices]);
    expect([values.item(), indices.item()]).toEqual([5, 1]);
  });

  it('returns nothing, numbers or lists where the schema says so', () => {
    const x = tensor([1, 2]);
    const nothing: unknown = (ops._foreachAdd_ as (...values: unknown[]) => unknown)([x, x], 1);
    expect(nothing).toBeUndefined();
    expect(x.toArray()).toEqual([3, 4]);
    expect(ops.equal(x, x)).toBe(true);
    expect(ops.isFloatingPoint(x)).toBe(true);
    expect(ops.unbind(x).map((each: Tensor) => each.item())).toEqual([3, 4]);
  });
});

describe('wrong arguments', () => {
  const x = tensor([1, 2]);
  it.each<[string, () => unknown, string | RegExp]>([
    ['a string for a tensor', () => ops.relu(wrong('x')), "aten::relu: argument 'self' expects Tensor, got string"],
    ['a tensor for a number', () => ops.addmm(x, x, wrong(3)), "aten::addmm: argument 'mat2' expects Tensor, got 3"],
    [
      'an array with something else than tensors',
      () => ops.stack(wrong([x, 1])),
      "aten::stack: argument 'tensors' expects Tensor[], got [Tensor, 1]",
    ],
    [
      'a fraction for a whole number',
      () => ops.unsqueeze(x, 0.5),
      "aten::unsqueeze: argument 'dim': expected a whole number",
    ],
    ['NaN for a whole number', () => ops.unsqueeze(x, NaN), 'got the number nan'],
    ['a number for a boolean', () => ops.sort(x, { descending: wrong(1) }), 'aten::sort'],
    [
      'a wrong argument of all overloads',
      () => ops.add(x, wrong('1')),
      "aten::add: argument 'other' expects Tensor or Scalar, got string",
    ],
    ['too few arguments', () => wrong<(a: Tensor) => Tensor>(ops.matmul)(x), 'aten::matmul'],
    ['too many arguments', () => wrong<(...a: unknown[]) => Tensor>(ops.relu)(x, {}, 1), 'aten::relu'],
    ['null for a tensor', () => ops.matmul(x, wrong(null)), "argument 'other' expects Tensor, got null"],
    ['an array for options', () => ops.softmax(x, 0, wrong([1])), 'aten::softmax'],
    ['an unknown option', () => ops.softmax(x, 0, wrong({ dim: 1 })), 'aten::softmax'],
    [
      'an unknown option of many overloads',
      () => ops.sum(x, [0], wrong({ keepDim: true })),
      "aten::sum: unknown option 'keepDim'; known are dtype, keepdim",
    ],
    ['an unknown dtype', () => ops.sum(x, { dtype: wrong('float') }), "unknown dtype 'float'; known are float32"],
    [
      'too many elements of a fixed-length list',
      () => ops.avgPool2d(zeros([1, 1, 4, 4]), [2, 2, 2]),
      'expected 2 elements, got 3',
    ],
    ['a size out of bounds', () => ops.maxPool2d(zeros([1, 1, 4, 4]), 0), "argument 'kernel_size': must be from 1"],
    ['a symbol', () => ops.unsqueeze(x, wrong(Symbol('s'))), 'got a symbol'],
    ['a bigint beyond 64 bits', () => ops.unsqueeze(x, wrong(2n ** 64n)), 'got a bigint'],
    [
      'shapes that do not fit',
      () => ops.matmul(zeros([2, 3]), zeros([2, 3])),
      /^aten::matmul: .*mat1 and mat2 shapes cannot be multiplied/,
    ],
  ])('%s', (_, call, message) => {
    expect(call).toThrow(message);
  });

  it.each<[string, (...values: unknown[]) => unknown, string]>([
    [
      'amax([2, 3])',
      () => wrong<Loose>(ops.amax)(x, [2, 3]),
      "aten::amax: 'dim' is given by name: give { dim: [2, 3] }",
    ],
    ['x.argmax(1)', () => wrong<Loose>(ops.argmax)(x, 1), 'give { dim: 1 }'],
    ['sum(x, 1, true)', () => wrong<Loose>(ops.sum)(x, 1, true), 'give { keepdim: true }'],
    [
      'sum(x, 1, true, { dtype })',
      () => wrong<Loose>(ops.sum)(x, 1, true, { dtype: 'int64' }),
      "give { keepdim: true, dtype: 'int64' }",
    ],
    [
      'clamp(x, 0, 1)',
      () => wrong<Loose>(ops.clamp)(x, 0, 1),
      "'min', 'max' are given by name: give { min: 0, max: 1 }",
    ],
    ['cat([x, x], 1)', () => wrong<Loose>(ops.cat)([x, x], 1), 'give { dim: 1 }'],
    ['conv2d(x, w, b, 2)', () => wrong<Loose>(ops.conv2d)(x, x, x, 2), 'give { bias: tensor, stride: 2 }'],
    ['gelu(x, "tanh")', () => wrong<Loose>(ops.gelu)(x, 'tanh'), "give { approximate: 'tanh' }"],
    ['flatten(x, 1)', () => wrong<Loose>(ops.flatten)(x, 1), 'give { startDim: 1 }'],
    ['reshape(x, 1, 2)', () => wrong<Loose>(ops.reshape)(x, 1, 2), "aten::reshape: 'shape' is one array: give [1, 2]"],
    ['sum(x, 0, 1)', () => wrong<Loose>(ops.sum)(x, 0, 1), "'dim' is one array: give [0, 1]"],
    ['full(2, 1)', () => wrong<Loose>(ops.full)(2, 1), "'size' is one array: give [2]"],
    ['cat(x, x)', () => wrong<Loose>(ops.cat)(x, x), "'tensors' is one array: give [tensor, tensor]"],
    ['softmax(x)', () => wrong<Loose>(ops.softmax)(x), "aten::softmax: argument 'dim' is missing"],
    ['transpose(x, 0)', () => wrong<Loose>(ops.transpose)(x, 0), "argument 'dim1' is missing"],
    ['relu({})', () => wrong<Loose>(ops.relu)({}), "argument 'self' expects Tensor, got object"],
  ])('%s says how it is called', (_, call, message) => {
    expect(call).toThrow(message);
  });

  it('says how every operator is called, where what goes by name comes by position', () => {
    const samples: Partial<Record<ArgumentKind, unknown>> = {
      ...{ Tensor: x, 'Tensor[]': [x], 'Tensor?[]': [x], int: 1, 'int[]': [1, 1], float: 0.5, 'float[]': [0.5] },
      ...{ bool: true, 'bool[]': [true, true], Scalar: 1, 'Scalar[]': [1], string: 's', 'string[]': ['s'] },
      ...{ ScalarType: 'float32', Layout: 'strided', MemoryFormat: 'contiguous', Device: 'cpu' },
      ...{ Generator: new Generator(1) },
    };
    let checked = 0;
    for (const { namespace, name, overload, operator: bound } of registeredSchemas().schemas) {
      const positional = bound.arguments.filter(isPositional);
      const [next] = bound.arguments.filter((argument) => !isPositional(argument) && !argument.keywordOnly);
      if (next === undefined || !(next.kind in samples)) continue;
      const call = operator<Loose>(`${namespace}::${name}`, {
        [overload]: positional.map((argument) => argument.name),
      });
      const values = [...positional, next].map(({ kind }) => samples[kind]);
      expect(() => call(...values), bound.schema).toThrow(`'${camelCase(next.name)}' is given by name: give { `);
      checked += 1;
    }
    expect(checked).toBeGreaterThan(500);
  });

  it('names a freed tensor', () => {
    const freed = scope(() => {
      const y = tensor([1]);
      return { hidden: () => y };
    }).hidden();
    expect(() => ops.add(freed, 1)).toThrow("aten::add: argument 'self': this tensor was freed");
  });

  it('keeps libtorch’s own stack beside the message', () => {
    try {
      ops.matmul(zeros([2, 3]), zeros([2, 3]));
      expect.unreachable();
    } catch (error) {
      expect((error as Error).message).not.toContain('frame #0');
      expect((error as { nativeStack: string }).nativeStack).toContain('frame #0');
      expect((error as Error).stack).toContain('operator.test');
    }
  });

  it('leave no tensor behind', () => {
    const before = liveTensors();
    for (let i = 0; i < 10; i++) expect(() => ops.matmul(x, wrong('y'))).toThrow();
    expect(liveTensors()).toBe(before);
  });
});

describe('operator', () => {
  it('binds any operator by name', () => {
    const addcmul = operator<(self: Tensor, a: Tensor, b: Tensor, options: { value: number }) => Tensor>(
      'aten::addcmul',
      {
        '': ['self', 'tensor1', 'tensor2'],
      },
    );
    expect(addcmul(tensor([1]), tensor([2]), tensor([3]), { value: 10 }).item()).toBe(61);
  });

  it('says so where libtorch has no such operator, or the arguments have moved', () => {
    expect(() => {
      operator<() => void>('aten::nonsense', { '': [] })();
    }).toThrow(/libtorch .* has no operator aten::nonsense/);
    expect(() => {
      operator<(x: Tensor) => void>('aten::relu', { '': ['x'] })(tensor([1]));
    }).toThrow("has no argument 'x': generate the operators again");
  });

  it('refuses what would end the process', () => {
    expect(() => {
      operator<(x: Tensor) => void>('aten::_version_of', { '': [] })(tensor([1]));
    }).toThrow();
    expect(() => {
      operator<() => void>('aten::set_', { '': ['self'] })();
    }).toThrow('aten::set_ is not offered: ');
  });
});

it('camelCase keeps leading and trailing underscores', () => {
  expect(['max_pool2d', 'relu_', '_foreach_add_', '__and__', 'log1p', 'native_layer_norm'].map(camelCase)).toEqual([
    'maxPool2d',
    'relu_',
    '_foreachAdd_',
    '__and__',
    'log1p',
    'nativeLayerNorm',
  ]);
});

it('results belong to the scope they are made in', () => {
  const before = liveTensors();
  scope(() => {
    const x = randn([4, 4]);
    for (let i = 0; i < 10; i++) ops.max(x, 0);
    ops.split(x, 1);
  });
  expect(liveTensors()).toBe(before);
});

it('a pooling output of absurd rows without columns is refused, not computed', () => {
  expect(() => ops.adaptiveMaxPool2d(zeros([1, 1, 5, 5]), [2 ** 31 - 1, 0])).toThrow(
    "argument 'output_size': must be from",
  );
});
