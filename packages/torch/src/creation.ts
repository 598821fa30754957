/** New tensors of a given shape. As in PyTorch, of float32 on the CPU unless asked otherwise. */
import type { Device } from './device.js';
import type { DType } from './dtype.js';
import * as ops from './ops.generated.js';
import { checkOptions } from './options.js';
import type { Generator } from './random.js';
import { tensorOptions, type Scalar, type Tensor, type TensorOptions } from './tensor.js';

/** Makes a tensor of a shape: sizes such as `[batch, channels, height, width]`. */
export type Creation = (shape: readonly number[], options?: TensorOptions) => Tensor;
export type RandomOptions = TensorOptions & { readonly generator?: Generator };
/** The same from random numbers, of the default generator unless another is given. */
export type RandomCreation = (shape: readonly number[], options?: RandomOptions) => Tensor;

interface Kind {
  readonly dtype: DType;
  readonly device: Device;
}

/**
 * The result of `make`, with the options that it does not take itself.
 *
 * @throws TypeError where they are none, or unknown
 */
function create(
  name: string,
  options: TensorOptions | undefined,
  make: (kind: Kind) => Tensor,
  known: readonly string[] = tensorOptions,
): Tensor {
  checkOptions(name, options ?? {}, known);
  const { dtype = 'float32', device = 'cpu', requiresGrad = false } = options ?? {};
  const made = make({ dtype, device });
  if (requiresGrad) made.requiresGrad = true;
  return made;
}

/** A creation of sizes that are checked to be one array: PyTorch takes `zeros(2, 3)` too. */
function ofShape(name: string, make: (shape: readonly number[], kind: Kind) => Tensor): Creation {
  return (shape, options) => {
    checkShape(name, shape);
    return create(name, options, (kind) => make(shape, kind));
  };
}

function random(name: string, operator: typeof ops.rand): RandomCreation {
  return (shape, options) => {
    checkShape(name, shape);
    const generator = options?.generator;
    const make = (kind: Kind): Tensor => (generator ? operator(shape, { ...kind, generator }) : operator(shape, kind));
    return create(name, options, make, [...tensorOptions, 'generator']);
  };
}

function checkShape(name: string, shape: unknown): void {
  if (!Array.isArray(shape)) throw new TypeError(`${name}: expected sizes in one array, as in ${name}([2, 3])`);
}

/** Uninitialised memory: every element must be written before it is read. */
export const empty: Creation = ofShape('empty', (shape, kind) => ops.empty(shape, kind));
export const zeros: Creation = ofShape('zeros', (shape, kind) => ops.zeros(shape, kind));
export const ones: Creation = ofShape('ones', (shape, kind) => ops.ones(shape, kind));
/** Uniform in [0, 1). */
export const rand: RandomCreation = random('rand', ops.rand);
/** Normal with mean 0 and variance 1. */
export const randn: RandomCreation = random('randn', ops.randn);

export function full(shape: readonly number[], value: Scalar, options?: TensorOptions): Tensor {
  checkShape('full', shape);
  return create('full', options, (kind) => ops.full(shape, value, kind));
}

/** start, start + step, … below end; int64 unless asked otherwise. */
export function arange(start: number, end: number, options: TensorOptions & { readonly step?: number } = {}): Tensor {
  // PyTorch takes an end alone.
  if (typeof end !== 'number') throw new TypeError(`arange: expected start and end, as in arange(0, ${start})`);
  const make = (kind: Kind): Tensor => ops.arange(start, end, { step: options.step ?? 1, ...kind });
  return create('arange', { ...options, dtype: options.dtype ?? 'int64' }, make, [...tensorOptions, 'step']);
}

/** The identity matrix [n, n]. */
export function eye(n: number, options?: TensorOptions): Tensor {
  return create('eye', options, (kind) => ops.eye(n, kind));
}
