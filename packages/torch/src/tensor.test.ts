import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import {
  arange,
  backward,
  checkDevice,
  decodeSafetensors,
  empty,
  encodeSafetensors,
  eye,
  fromTypedArray,
  full,
  Generator,
  nn,
  ones,
  ops,
  rand,
  scope,
  tensor,
  Tensor,
  zeros,
  type DType,
} from './index.js';
import { native } from './native.js';

type Loose = (...values: unknown[]) => unknown;

describe('tensor', () => {
  it('has the shape and elements of nested arrays', () => {
    const x = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect(x.shape).toEqual([2, 3]);
    expect(x.stride).toEqual([3, 1]);
    expect([x.dim, x.numel, x.byteLength, x.dtype, x.device, x.isContiguous]).toEqual([
      2,
      6,
      24,
      'float32',
      'cpu',
      true,
    ]);
    expect(x.toArray()).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('takes its dtype from the values', () => {
    expect(tensor(1.5).dtype).toBe('float32');
    expect(tensor([true, false]).dtype).toBe('bool');
    expect(tensor([1n, 2n]).dtype).toBe('int64');
    expect(tensor([1, 2], { dtype: 'int32' }).toTypedArray()).toEqual(Int32Array.of(1, 2));
    expect(tensor([true, false], { dtype: 'float64' }).toArray()).toEqual([1, 0]);
    expect(tensor([0.1], { dtype: 'float64' }).item()).toBe(0.1);
  });

  it('holds empty and zero-dimensional shapes', () => {
    expect(tensor([]).shape).toEqual([0]);
    expect(tensor([[], []]).shape).toEqual([2, 0]);
    expect(tensor(3).shape).toEqual([]);
    expect(tensor(3).toArray()).toEqual([3]);
  });

  it('refuses rows that differ in length or depth', () => {
    expect(() => tensor([[1, 2], [3]])).toThrow('rows differ in length: 1 where 2 was expected');
    expect(() => tensor([[1], 2])).toThrow('expected 2 nested arrays, found 1');
    expect(() => tensor([1, [2]])).toThrow(TypeError);
  });

  it('frees what a conversion of dtype leaves behind', () => {
    scope(() => {
      const x = tensor([1, 2], { dtype: 'float16', requiresGrad: true });
      expect([x.dtype, x.requiresGrad, x.isLeaf]).toEqual(['float16', true, true]);
    });
  });
});

describe('creation', () => {
  it('fills as asked', () => {
    expect(zeros([2]).toArray()).toEqual([0, 0]);
    expect(ones([2], { dtype: 'int64' }).toTypedArray()).toEqual(BigInt64Array.of(1n, 1n));
    expect(full([2, 1], 7).toArray()).toEqual([7, 7]);
    expect(full([1], 7).dtype).toBe('float32');
    expect(arange(2, 8, { step: 2 }).toTypedArray()).toEqual(BigInt64Array.of(2n, 4n, 6n));
    expect(eye(2).toArray()).toEqual([1, 0, 0, 1]);
    expect(empty([3, 0]).shape).toEqual([3, 0]);
    expect(zeros([1], { requiresGrad: true }).requiresGrad).toBe(true);
  });

  it('names operator and argument where a size is impossible', () => {
    expect(() => zeros([1.5])).toThrow(/aten::zeros.*size.*1\.5/s);
    expect(() => zeros([-1])).toThrow(/negative/);
    expect(() => zeros([2 ** 50])).toThrow(/out of memory|not enough memory|bytes/);
    expect(() => zeros([1], { device: 'meta' as never })).toThrow("unknown device 'meta'");
    expect(() => zeros([1], { dtype: 'float128' as never })).toThrow("unknown dtype 'float128'; known are float32");
  });
});

describe('typed arrays', () => {
  const arrays = [
    Float32Array.of(0.5, -1),
    Float64Array.of(0.1, -1),
    BigInt64Array.of(2n ** 63n - 1n, -1n),
    Int32Array.of(2 ** 31 - 1, -1),
    Int16Array.of(32767, -1),
    Int8Array.of(127, -1),
    Uint8Array.of(255, 1),
  ];
  it.each(arrays.map((array) => [array.constructor.name, array] as const))('go both ways: %s', (_, array) => {
    const x = fromTypedArray(array);
    expect(x.toTypedArray()).toEqual(array);
    new Uint8Array(array.buffer).fill(0);
    expect(x.toArray().some((value) => value !== 0)).toBe(true); // a copy of its own
  });

  it('reads a part of a larger buffer', () => {
    const whole = Float32Array.of(1, 2, 3, 4);
    expect(fromTypedArray(whole.subarray(1, 3), [2, 1]).toArray()).toEqual([2, 3]);
  });

  it('refuses a shape that does not fit the data', () => {
    expect(() => fromTypedArray(new Float32Array(3), [2])).toThrow('needs 8 bytes, the data has 12');
    expect(() => fromTypedArray(new Float32Array(3), [-3])).toThrow('negative');
    expect(() => fromTypedArray(new Float32Array(3), [3, 2 ** 60])).toThrow();
    expect(() => fromTypedArray(new Uint16Array(3) as never)).toThrow('no dtype has the elements of Uint16Array');
    expect(() => fromTypedArray([1, 2] as never)).toThrow();
  });

  it('.data is the memory itself, stays valid after the tensor is freed, and forbids resizing it away', () => {
    const x = tensor([1, 2, 3]);
    const view = x.data;
    view[0] = 10;
    expect(x.toArray()).toEqual([10, 2, 3]);
    x.add_(1);
    expect([...view]).toEqual([11, 3, 4]);
    expect(() => x.resize_([1000])).toThrow(/resiz/);
    x[Symbol.dispose]();
    for (let i = 0; i < 100; i++) rand([3])[Symbol.dispose]();
    expect([...view]).toEqual([11, 3, 4]);
    expect(() => x.shape).toThrow('this tensor was freed');
  });

  it('.data refuses what has no typed array or is not contiguous', () => {
    expect(() => zeros([2, 3]).t().data).toThrow('contiguous');
    expect(() => zeros([2], { dtype: 'float16' }).data).toThrow("convert first, e.g. x.to('float32')");
    expect(zeros([0]).data.length).toBe(0);
  });

  it('lets nobody see memory that is read as its negative or conjugate', () => {
    // Nothing else holds the memory: only the mark says that it has other numbers.
    const negated = scope(() => ops._negView(tensor([1, -2])));
    expect(() => negated.data).toThrow('the memory does not hold its elements: they are negated when they are read');
    expect(negated.clone().data).toEqual(Float32Array.of(-1, 2));
    expect(negated.toTypedArray()).toEqual(Float32Array.of(-1, 2));
    const stored = decodeSafetensors(encodeSafetensors({ negated })).tensors.get('negated')!;
    expect(stored.toArray()).toEqual([-1, 2]);
    const conjugated = ops.conj(ops.complex(tensor([1]), tensor([2])));
    expect(() => native.bytes(conjugated.handle)).toThrow('they are conjugated when they are read');
  });

  it('toTypedArray copies where the memory is shared, and orders a transposed tensor', () => {
    const x = tensor([
      [1, 2],
      [3, 4],
    ]);
    const copy = x.toTypedArray();
    copy[0] = 9;
    expect(x.toArray()).toEqual([1, 2, 3, 4]);
    expect(x.t().toArray()).toEqual([1, 3, 2, 4]);
    expect(tensor([1.5], { dtype: 'bfloat16' }).toArray()).toEqual([1.5]);
  });
});

describe('item', () => {
  it('gives a number, also of booleans and int64', () => {
    expect(tensor(2.5).item()).toBe(2.5);
    expect(tensor([[3n]]).item()).toBe(3);
    expect(tensor(true).item()).toBe(1);
    expect(tensor(2n ** 60n).item()).toBe(2 ** 60);
    expect(ops.add(tensor(2n ** 60n), 1n).data[0]).toBe(2n ** 60n + 1n);
  });

  it('refuses several elements and complex ones', () => {
    expect(() => tensor([1, 2]).item()).toThrow();
    expect(() => tensor([]).item()).toThrow();
    expect(() => tensor(1, { dtype: 'complex64' }).item()).toThrow('complex');
  });
});

describe('to', () => {
  it('converts, and is the tensor itself where nothing changes', () => {
    const x = tensor([1.7, -1.7]);
    expect(x.to('float32')).toBe(x);
    expect(x.to('cpu')).toBe(x);
    expect(x.to('int64').toArray()).toEqual([1, -1]);
    const dtypes: DType[] = ['float64', 'int8', 'bool', 'complex64'];
    for (const dtype of dtypes) expect(x.to(dtype).dtype).toBe(dtype);
  });
});

describe('printing', () => {
  it('shows elements as PyTorch does', () => {
    expect(
      String(
        tensor([
          [1, 2.5],
          [-3, 4],
        ]),
      ),
    ).toBe('tensor([[ 1.0000,  2.5000],\n        [-3.0000,  4.0000]], shape=[2, 2], dtype=float32)');
    expect(String(tensor([1n, -20n]))).toBe('tensor([  1, -20], shape=[2], dtype=int64)');
    expect(String(tensor([true, false]))).toBe('tensor([ true, false], shape=[2], dtype=bool)');
    expect(String(tensor(1e-6))).toBe('tensor(1.0000e-6, shape=[], dtype=float32)');
    expect(String(tensor([NaN, -Infinity, 1]))).toBe('tensor([   nan,   -inf, 1.0000], shape=[3], dtype=float32)');
    expect(String(tensor([]))).toBe('tensor([], shape=[0], dtype=float32)');
    expect(String(zeros([2 ** 31, 0]))).toBe('tensor([], shape=[2147483648, 0], dtype=float32)');
    expect(String(tensor([1], { requiresGrad: true }))).toBe(
      'tensor([1.0000], shape=[1], dtype=float32, requiresGrad)',
    );
    expect(inspect(tensor([1], { requiresGrad: true }).exp())).toBe(
      'tensor([2.7183], shape=[1], dtype=float32, gradFunction=ExpBackward0)',
    );
  });

  it('separates matrices by an empty line', () => {
    expect(String(ones([2, 1, 1], { dtype: 'int32' }))).toBe(
      'tensor([[[1]],\n\n        [[1]]], shape=[2, 1, 1], dtype=int32)',
    );
  });

  it('shortens long dimensions', () => {
    expect(String(arange(0, 1000))).toBe('tensor([  0,   1,   2, …, 997, 998, 999], shape=[1000], dtype=int64)');
  });

  it('says so where there is nothing to show', () => {
    const x = tensor([1]);
    x[Symbol.dispose]();
    expect(String(x)).toContain('this tensor was freed');
  });
});

it('methods of every operator are installed', () => {
  expect(tensor([3, 4]).norm().item()).toBeCloseTo(5, 6);
  expect(
    tensor([1, 2])
      .add(tensor([1, 1]), { alpha: 2 })
      .toArray(),
  ).toEqual([3, 4]);
  expect(tensor([1]).add(1)).toBeInstanceOf(Tensor);
});

it('version counts changes in place', () => {
  const x = tensor([1]);
  const before = x.version;
  x.add(1);
  expect(x.version).toBe(before);
  x.add_(1);
  expect(x.version).toBe(before + 1);
});

it('options are an object of known names, and sizes one array', () => {
  const wrong =
    (call: unknown, ...values: unknown[]): (() => unknown) =>
    () =>
      (call as Loose)(...values);
  const message = (name: string, got: string): string =>
    `${name}: expected options by name, such as { dtype: … }, got ${got}`;
  expect(wrong(zeros, [2], 'float64')).toThrow(message('zeros', 'float64'));
  expect(wrong(rand, [2], new Generator(1))).toThrow(message('rand', 'a value of Generator'));
  expect(wrong(full, [2], 1, 'int64')).toThrow(message('full', 'int64'));
  expect(wrong(tensor, [1], 'int64')).toThrow(message('tensor', 'int64'));
  expect(wrong(fromTypedArray, Float32Array.of(1), [1], true)).toThrow(message('fromTypedArray', 'true'));
  expect(wrong(ones, [2], { dType: 'int64' })).toThrow(
    "ones: unknown option 'dType'; known are dtype, device, requiresGrad",
  );
  expect(wrong(zeros, 2, 3)).toThrow('zeros: expected sizes in one array, as in zeros([2, 3])');
  expect(wrong(rand, 2)).toThrow('rand: expected sizes in one array');
  expect(wrong(arange, 3)).toThrow('arange: expected start and end, as in arange(0, 3)');
  const loss = tensor([1], { requiresGrad: true }).sum();
  expect(wrong(backward, loss, ones([1]))).toThrow(
    'backward: expected options by name, such as { gradients: … }, got a value of Tensor',
  );
  expect(() => new nn.Dropout(0.1 as never)).toThrow('Dropout: expected options by name, such as { p: … }, got 0.1');
  expect(() => new nn.CrossEntropyLoss({ label_smoothing: 0.1 } as never)).toThrow("unknown option 'label_smoothing'");
  expect(zeros([2], { dtype: 'int64', requiresGrad: false }).dtype).toBe('int64');
});

describe('a device that is not there', () => {
  const here = (() => {
    try {
      return checkDevice('cuda');
    } catch {
      return null;
    }
  })();

  it.skipIf(here !== null)('is named in one sentence, wherever it is first used', () => {
    const message =
      /there is no device 'cuda:3': (libtorch \S+ was built without CUDA|CUDA finds no GPU.*); use 'cpu', /;
    const layer = new nn.Linear({ inFeatures: 1, outFeatures: 1 });
    const uses = [
      () => zeros([2]).to('cuda:3'),
      () => zeros([2], { device: 'cuda:3' }),
      () => tensor([1], { device: 'cuda:3' }),
      () => rand([2], { device: 'cuda:3', generator: new Generator(1) }),
      () => ops.onesLike(zeros([2]), { device: 'cuda:3' }),
      () => layer.to('cuda:3'),
      () => checkDevice('cuda:3'),
    ];
    for (const use of uses) expect(use).toThrow(message);
    expect(layer.weight.device).toBe('cpu');
  });

  it('is no device at all', () => {
    for (const name of ['mps', 'cuda:', 'cuda:x', 'cuda:1234', 'cuda:-1', '']) {
      expect(() => checkDevice(name)).toThrow(`unknown device '${name}'; known are cpu, cuda, cuda:0`);
    }
    expect(() => zeros([1]).to('mps' as never)).toThrow(/^to\(\): expected a device, cpu or cuda, or a dtype, one of /);
    expect(checkDevice('cpu')).toBe('cpu');
  });
});
