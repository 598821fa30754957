/** New tensors of a given shape. As in PyTorch, of float32 on the CPU unless asked otherwise. */
import * as ops from './ops.generated.js';
import type { Generator } from './random.js';
import type { Scalar, Tensor, TensorOptions } from './tensor.js';

/** @param shape sizes, such as `[batch, channels, height, width]` */
type Creation = (shape: readonly number[], options?: TensorOptions) => Tensor;
type RandomCreation = (
  shape: readonly number[],
  options?: TensorOptions & { readonly generator?: Generator },
) => Tensor;

function marked(made: Tensor, options: TensorOptions | undefined): Tensor {
  if (options?.requiresGrad === true) made.requiresGrad = true;
  return made;
}

function kind({ dtype = 'float32', device = 'cpu' }: TensorOptions = {}): {
  dtype: typeof dtype;
  device: typeof device;
} {
  return { dtype, device };
}

/** Uninitialised memory: every element must be written before it is read. */
export const empty: Creation = (shape, options) => marked(ops.empty(shape, kind(options)), options);
export const zeros: Creation = (shape, options) => marked(ops.zeros(shape, kind(options)), options);
export const ones: Creation = (shape, options) => marked(ops.ones(shape, kind(options)), options);
/** Uniform in [0, 1). */
export const rand: RandomCreation = (shape, options) => marked(random(ops.rand, shape, options), options);
/** Normal with mean 0 and variance 1. */
export const randn: RandomCreation = (shape, options) => marked(random(ops.randn, shape, options), options);

function random(
  operator: typeof ops.rand,
  shape: readonly number[],
  options: (TensorOptions & { readonly generator?: Generator }) | undefined,
): Tensor {
  const generator = options?.generator;
  return generator ? operator(shape, { ...kind(options), generator }) : operator(shape, kind(options));
}

export function full(shape: readonly number[], value: Scalar, options?: TensorOptions): Tensor {
  return marked(ops.full(shape, value, kind(options)), options);
}

/** start, start + step, … below end; int64 unless asked otherwise. */
export function arange(start: number, end: number, options: TensorOptions & { readonly step?: number } = {}): Tensor {
  const { step = 1, dtype = 'int64', device = 'cpu' } = options;
  return marked(ops.arange(start, end, { step, dtype, device }), options);
}

/** The identity matrix [n, n]. */
export function eye(n: number, options?: TensorOptions): Tensor {
  return marked(ops.eye(n, kind(options)), options);
}
