/**
 * A tensor of libtorch. All operators with a `self` argument are methods too (`x.add(y)`,
 * `x.sum([1], { keepdim: true })`); their signatures are generated (`tensorMethods.generated.ts`). For who frees a
 * tensor, see `scope.ts`.
 */
import { backward, type BackwardOptions } from './autograd.js';
import type { Device } from './device.js';
import { dtypeOf, dtypes, isDType, typedArrayOver, type DType, type TypedArray } from './dtype.js';
import { formatTensor } from './format.js';
import { native, type Handle } from './native.js';
import { checkOptions } from './options.js';
import { dispose, keep, own, scope, type Owned } from './scope.js';
import type { TensorMethods } from './tensorMethods.generated.js';
import { uncloneable } from './uncloneable.js';

/** A number in an operator's schema; whole ones become integer scalars. */
export type Scalar = number | bigint | boolean;

/* eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging, @typescript-eslint/no-empty-object-type --
   installed in operatorMethods.ts, tested */
export interface Tensor extends TensorMethods {}

// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- see above
export class Tensor implements Owned {
  /** @internal */
  readonly handle: Handle;
  /** @internal */
  kept = false;
  /** @internal */
  protected readonly uncloneable = uncloneable;

  /** @internal Takes over a native handle; users make tensors with `tensor`, `zeros`, … */
  constructor(handle: Handle) {
    this.handle = handle;
    own(this);
  }

  get shape(): number[] {
    return native.shape(this.handle);
  }

  get dim(): number {
    return this.shape.length;
  }

  /** The number of elements. */
  get numel(): number {
    return native.describe(this.handle).numel;
  }

  get dtype(): DType {
    return native.describe(this.handle).dtype as DType;
  }

  get device(): Device {
    return native.describe(this.handle).device as Device;
  }

  /** Elements between neighbours along each dimension. */
  get stride(): number[] {
    const { stride } = native.describe(this.handle);
    if (stride === null) throw new TypeError('a sparse tensor has no stride');
    return stride;
  }

  get isContiguous(): boolean {
    return native.describe(this.handle).contiguous;
  }

  /** Bytes of all elements. */
  get byteLength(): number {
    const { numel, itemSize } = native.describe(this.handle);
    return numel * itemSize;
  }

  /** How often its elements were changed in place; what was computed from them is current while this stands. */
  get version(): number {
    return native.version(this.handle);
  }

  /** The value of a tensor with one element; true is 1. An int64 beyond 2^53 is rounded (`data` has it exactly). */
  item(): number {
    return Number(native.item(this.handle));
  }

  /**
   * The memory itself as a typed array: what is written there is in the tensor, and the other way round. No copy. It
   * stays valid when the tensor is freed.
   *
   * @throws where the tensor is not contiguous, not on the CPU, or of a dtype that JavaScript has no array for
   */
  get data(): TypedArray {
    return typedArrayOver(native.bytes(this.handle), this.dtype);
  }

  /** The elements in row-major order, as a typed array of the caller's own: at most one copy. */
  toTypedArray(): TypedArray {
    return scope(() => {
      const plain = this.toPlain();
      return (native.isShared(plain.handle) ? plain.clone() : plain).data;
    });
  }

  /** @internal The elements in row-major order in the CPU's memory: where they lie so already, over the same memory. */
  toPlain(): Tensor {
    const contiguous = this.detach().to('cpu').contiguous();
    return native.describe(contiguous.handle).lazy ? contiguous.clone() : contiguous;
  }

  /** The elements as JavaScript numbers, in row-major order; float16 and bfloat16 are widened. */
  toArray(): number[] {
    const { dtype } = this;
    if (dtype === 'float16' || dtype === 'bfloat16') return this.to('float32').toArray();
    return Array.from(this.toTypedArray() as Iterable<number | bigint>, Number);
  }

  /** The same values with another dtype or on another device; itself where nothing changes. */
  to(target: DType | Device): Tensor {
    const { dtype, device } = native.describe(this.handle);
    if (target === dtype || target === device) return this;
    if (isDType(target)) return this.toCopy({ dtype: target });
    if (target === 'cpu' || target.startsWith('cuda')) return this.toCopy({ device: target });
    throw new TypeError(
      `to(): expected a device, cpu or cuda, or a dtype, one of ${dtypes.join(', ')}; got '${target}'`,
    );
  }

  /** Whether gradients are computed for it. Settable on leaves of a floating dtype. */
  get requiresGrad(): boolean {
    return native.gradInfo(this.handle).requiresGrad;
  }

  set requiresGrad(value: boolean) {
    native.setRequiresGrad(this.handle, value);
  }

  get isLeaf(): boolean {
    return native.gradInfo(this.handle).isLeaf;
  }

  /** The name of the operation that made it, such as `AddBackward0`; null for a leaf. */
  get gradFunction(): string | null {
    return native.gradInfo(this.handle).gradFunction;
  }

  /** The gradient that `backward` has summed up here; null before. */
  get grad(): Tensor | null {
    const handle = native.getGrad(this.handle);
    return handle === null ? null : new Tensor(handle);
  }

  set grad(value: Tensor | null) {
    native.setGrad(this.handle, value?.handle ?? null);
  }

  /** Adds the gradient of this scalar (usually a loss) to the `grad` of every leaf that it depends on. */
  backward(options?: BackwardOptions): void {
    backward(this, options);
  }

  /** Keeps it past the end of its scope, until disposed or garbage-collected. */
  keep(): this {
    return keep(this);
  }

  /** Frees its memory now (where nothing else uses it). Using the tensor afterwards throws. Twice is harmless. */
  [Symbol.dispose](): void {
    dispose(this);
  }

  /** @throws TypeError: JSON has no dtypes, and turns NaN into null */
  toJSON(): never {
    throw new TypeError('JSON has no tensors: give it item() or toArray(), or save tensors by saveSafetensors()');
  }

  toString(): string {
    return formatTensor(this);
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return formatTensor(this);
  }
}

/** Nested arrays of numbers or booleans, as deep as the tensor has dimensions. */
export type NestedArray = number | bigint | boolean | readonly NestedArray[];

export interface TensorOptions {
  /** Default: float32 for numbers, bool for booleans, int64 for bigints; a typed array's own. */
  readonly dtype?: DType;
  /** @default 'cpu' */
  readonly device?: Device;
  /** @default false */
  readonly requiresGrad?: boolean;
}

/** The names of `TensorOptions`. */
export const tensorOptions = ['dtype', 'device', 'requiresGrad'] as const satisfies (keyof TensorOptions)[];

/** Applies what the bytes alone do not say: dtype, device, whether gradients are wanted. */
function finish(made: Tensor, { dtype, device, requiresGrad }: TensorOptions): Tensor {
  let result = made;
  if (dtype !== undefined) result = result.to(dtype);
  if (device !== undefined) result = result.to(device);
  if (result !== made) made[Symbol.dispose]();
  if (requiresGrad === true) result.requiresGrad = true;
  return result;
}

/** A tensor with a copy of a typed array's elements. @param shape default: one dimension */
export function fromTypedArray(
  data: TypedArray,
  shape: readonly number[] = [data.length],
  options: TensorOptions = {},
): Tensor {
  checkOptions('fromTypedArray', options, tensorOptions);
  const own = dtypeOf(data);
  const dtype = options.dtype === 'bool' && own === 'uint8' ? 'bool' : own;
  return finish(new Tensor(native.fromBytes(data, shape, dtype)), options);
}

/**
 * A tensor from nested arrays: `tensor([[1, 2], [3, 4]])`.
 *
 * @throws where the rows differ in length
 */
export function tensor(values: NestedArray, options: TensorOptions = {}): Tensor {
  checkOptions('tensor', options, tensorOptions);
  const shape: number[] = [];
  for (let level = values; Array.isArray(level); level = (level as readonly NestedArray[])[0] ?? 0) {
    shape.push(level.length);
    if (level.length === 0) break;
  }
  const flat: (number | bigint | boolean)[] = [];
  flatten(values, shape, 0, flat);
  const first = flat[0];
  if (typeof first === 'bigint') return fromTypedArray(BigInt64Array.from(flat, BigInt), shape, options);
  if (typeof first === 'boolean') {
    return fromTypedArray(Uint8Array.from(flat, Number), shape, { ...options, dtype: options.dtype ?? 'bool' });
  }
  if (options.dtype === undefined || options.dtype === 'float32') {
    return fromTypedArray(Float32Array.from(flat, Number), shape, options);
  }
  return fromTypedArray(Float64Array.from(flat, Number), shape, options);
}

function flatten(
  value: NestedArray,
  shape: readonly number[],
  depth: number,
  out: (number | bigint | boolean)[],
): void {
  if (!Array.isArray(value)) {
    if (depth !== shape.length) throw new TypeError(`tensor(): expected ${shape.length} nested arrays, found ${depth}`);
    out.push(value as number);
    return;
  }
  const row = value as readonly NestedArray[];
  if (row.length !== shape[depth]) {
    throw new TypeError(
      `tensor(): rows differ in length: ${row.length} where ${shape[depth] ?? 'a number'} was expected`,
    );
  }
  for (const element of row) flatten(element, shape, depth + 1, out);
}
