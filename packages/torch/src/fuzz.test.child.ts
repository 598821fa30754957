/**
 * Random calls of every generated operator, for `fuzz.test.ts`, which runs this file as a process of its own:
 *
 *     node fuzz.test.child.js SEED FROM TO CALL_FILE
 *
 * Each call is written to CALL_FILE before it is made, so that a crash names its culprit. Call I depends on SEED and I
 * only. Prints a JSON line {returned, threw} at its end.
 */
import { openSync, writeSync } from 'node:fs';
import { registeredSchemas } from './generate/registeredSchemas.js';
import type { Schema } from './generate/operatorTypes.js';
import { camelCase, isPositional } from './overload.js';
import type { ArgumentKind, NativeArgument } from './native.js';
import {
  backward,
  dtypes,
  Generator,
  noGrad,
  ops,
  scope,
  setMemoryLimit,
  Tensor,
  tensor,
  type DType,
} from './index.js';

const [seed = 1, from = 0, to = 1000] = process.argv.slice(2, 5).map(Number);
const callFile = openSync(process.argv[5] ?? '/dev/null', 'w');
const { schemas: all } = registeredSchemas();
const schemas = all.filter(({ namespace, name }) => functionOf(namespace, name) !== undefined);
const generator = new Generator(1);
setMemoryLimit(2 ** 28);

/** Undefined where a later libtorch has an operator that the functions were not generated for. */
function functionOf(namespace: string, name: string): ((...values: unknown[]) => unknown) | undefined {
  const holder: unknown = namespace === 'aten' ? ops : (ops as Readonly<Record<string, unknown>>)[camelCase(namespace)];
  return (holder as Readonly<Record<string, (...values: unknown[]) => unknown>> | undefined)?.[camelCase(name)];
}

/** Mulberry32: uniform in [0, 1). */
function randomSource(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

let random = randomSource(0);
const chance = (probability: number): boolean => random() < probability;
const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;

const shapes = [
  [],
  [0],
  [1],
  [2],
  [5],
  [2, 3],
  [3, 3],
  [1, 1],
  [2, 0, 3],
  [2, 3, 4],
  [1, 2, 5, 5],
  [2, 4, 3, 3],
  [1, 2, 3, 4, 5],
];
const absurd = [2 ** 31 - 1, 2 ** 31, 2 ** 40, 2 ** 53 - 1, -(2 ** 31), -(2 ** 53) + 1, 1 << 24];
const oddNumbers = [NaN, Infinity, -Infinity, 0.5, 1e308, -0, 1e-320];

function randomInt(): number {
  if (chance(0.1)) return pick(absurd);
  return pick([-2, -1, 0, 0, 1, 1, 1, 2, 2, 3, 4, 5, 100]);
}

function randomNumber(): number {
  return chance(0.2) ? pick(oddNumbers) : chance(0.5) ? randomInt() : random() * 4 - 2;
}

/** Sizes are small or absurd: what lies between would only take long. */
function randomInts(): number[] {
  return Array.from({ length: Math.floor(random() * 5) }, () => (chance(0.03) ? pick(oddNumbers) : randomInt()));
}

let commonShape: readonly number[] | undefined;
let commonDtype: DType | undefined;

function randomShape(): readonly number[] {
  return chance(0.5)
    ? pick(shapes)
    : Array.from({ length: Math.floor(random() * 6) }, () => pick([0, 1, 1, 2, 2, 3, 4]));
}

function randomDtype(): DType {
  return chance(0.6) ? 'float32' : chance(0.6) ? 'int64' : pick(dtypes);
}

function randomTensor(): Tensor {
  const shape = chance(0.6) && commonShape ? commonShape : randomShape();
  const count = shape.reduce((product, size) => product * size, 1);
  const values = Array.from({ length: count }, () =>
    chance(0.05) ? pick([1e9, -1e9, NaN, Infinity, -1]) : Math.floor(random() * 6) - 1,
  );
  const dtype = chance(0.7) && commonDtype ? commonDtype : randomDtype();
  const float = ops.reshape(tensor(values, { dtype: 'float64' }), shape);
  let made = dtype === 'float64' ? float : float.to(dtype);
  if (chance(0.1) && shape.length > 1) made = made.transpose(0, 1);
  if (chance(0.05)) made = made.unsqueeze(0).expand([3, ...made.shape]);
  if (chance(0.02) && shape.length > 0) made = ops.toSparse(made, shape.length);
  if (chance(0.15) && dtype === 'float32' && made.isLeaf) made.requiresGrad = true;
  if (chance(0.02)) made[Symbol.dispose]();
  return made;
}

const results: Tensor[] = [];

function fitting(kind: ArgumentKind): unknown {
  switch (kind) {
    case 'Tensor':
      return results.length > 0 && chance(0.3) ? pick(results) : randomTensor();
    case 'Tensor[]':
      return Array.from({ length: Math.floor(random() * 4) }, () => fitting('Tensor'));
    case 'Tensor?[]':
      return Array.from({ length: Math.floor(random() * 4) }, () => (chance(0.3) ? null : randomTensor()));
    case 'int':
      return randomInt();
    case 'int[]':
      return chance(0.1) ? randomInt() : randomInts();
    case 'float':
    case 'Scalar':
      return randomNumber();
    case 'float[]':
    case 'Scalar[]':
      return Array.from({ length: Math.floor(random() * 4) }, randomNumber);
    case 'bool':
      return chance(0.5);
    case 'bool[]':
      return Array.from({ length: Math.floor(random() * 5) }, () => chance(0.5));
    case 'string':
      return pick(['', 'mean', 'reflect', 'floor', 'ij', 'ij,jk->ik', 'nearest', 'none', 'x'.repeat(1000), 'L', 'fro']);
    case 'string[]':
      return ['', 'a'];
    case 'ScalarType':
      return pick([...dtypes, 'float128', 'quint8', 'qint8']);
    case 'Layout':
      return pick(['strided', 'sparse_coo', 'sparse_csr', 'mkldnn']);
    case 'MemoryFormat':
      return pick(['contiguous', 'preserve', 'channels_last', 'channels_last_3d']);
    case 'Device':
      return pick(['cpu', 'cuda', 'cuda:1', 'meta', 'cpu:7', 'xyz', '']);
    case 'Generator':
      return generator;
    case 'unsupported':
      return undefined;
  }
}

function unfitting(): unknown {
  return pick<() => unknown>([
    () => null,
    () => undefined,
    () => ({}),
    () => 'text',
    () => randomNumber(),
    () => -(2n ** 63n),
    () => 2n ** 64n,
    () => true,
    () => Symbol('s'),
    () => () => 1,
    () => [[1], 'a', null],
    () => randomInts(),
    () => randomTensor(),
    () => [randomTensor(), null, 3],
    () => new Float32Array(3),
    () => ({ handle: 3, kept: true }),
  ])();
}

function randomArgument(argument: NativeArgument): unknown {
  if (argument.optional && chance(0.3)) return null;
  return chance(0.03) ? unfitting() : fitting(argument.kind);
}

function randomArguments({ operator }: Schema): unknown[] {
  commonShape = chance(0.7) ? randomShape() : undefined;
  commonDtype = chance(0.7) ? randomDtype() : undefined;
  const usable = operator.arguments.filter(({ kind }) => kind !== 'unsupported');
  const values = usable.filter(isPositional).map(randomArgument);
  const named = usable.filter((argument) => !isPositional(argument));
  const options = Object.fromEntries(
    named
      .filter(({ hasDefault }) => !hasDefault || chance(0.3))
      .map((argument) => [camelCase(argument.name), randomArgument(argument)]),
  );
  if (named.length > 0) values.push(chance(0.02) ? { ...options, nonsense: 1 } : options);
  if (chance(0.01)) values.pop();
  if (chance(0.01)) values.push(unfitting());
  return values;
}

function describe(value: unknown): string {
  if (value instanceof Tensor) return describeTensor(value);
  if (Array.isArray(value)) return `[${value.map(describe).join(', ')}]`;
  if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return `{${Object.entries(value)
      .map(([key, entry]) => `${key}: ${describe(entry)}`)
      .join(', ')}}`;
  }
  return typeof value === 'string'
    ? JSON.stringify(value).slice(0, 40)
    : typeof value === 'bigint'
      ? `${value}n`
      : String(value);
}

function describeTensor(value: Tensor): string {
  try {
    const values = value.numel <= 40 && value.dtype !== 'complex64' ? value.detach().toArray().join(',') : '…';
    return `Tensor(${value.dtype}[${value.shape.join(',')}] ${values})`;
  } catch (error) {
    return `Tensor(${String(error).slice(0, 60)})`;
  }
}

const counts = { returned: 0, threw: 0 };

function callOnce(index: number): void {
  const schema = pick(schemas);
  const { namespace, name, overload } = schema;
  const values = randomArguments(schema);
  const text = `${index} ${namespace}::${name}.${overload}(${values.map(describe).join(', ')})\n`;
  writeSync(callFile, text.slice(0, 4000), index === from ? undefined : null);
  try {
    const result = functionOf(namespace, name)!(...values);
    counts.returned++;
    for (const made of [result].flat()) {
      if (!(made instanceof Tensor)) continue;
      results.push(made);
      void made.toString();
      if (made.requiresGrad && chance(0.5)) backward(ops.sum(made));
    }
  } catch (error) {
    if (!(error instanceof Error) || error.message === '')
      throw new Error(`threw no proper Error: ${text}`, { cause: error });
    counts.threw++;
  }
}

for (let index = from; index < to; index++) {
  random = randomSource(seed * 1_000_003 + index);
  results.length = 0;
  scope(() => {
    const calls = chance(0.3) ? 3 : 1;
    for (let call = 0; call < calls; call++) {
      if (chance(0.5)) callOnce(index);
      else
        noGrad(() => {
          callOnce(index);
        });
    }
  });
}
writeSync(1, `${JSON.stringify(counts)}\n`);
