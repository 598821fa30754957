/**
 * Pooling over one, two or three dimensions, as in `torch.nn`: [batch, channels, …size] → [batch, channels, …size'],
 * size being length; height and width; or depth, height and width.
 */
import * as ops from '../ops.generated.js';
import type { Tensor } from '../tensor.js';
import { checkSizes, type Pair, type Single, type Triple } from './checks.js';
import { Module } from './module.js';

/** One number stands for each dimension. */
export interface AvgPoolOptions<Size extends readonly number[]> {
  readonly kernelSize: number | Size;
  /** @default kernelSize */
  readonly stride?: number | Size;
  /** On each side; at most half of kernelSize. @default 0 */
  readonly padding?: number | Size;
  /** Whether a window may begin inside the padded input and end beyond it. @default false */
  readonly ceilMode?: boolean;
  /** Whether padded zeros count in the average. @default true */
  readonly countIncludePad?: boolean;
}

export interface MaxPoolOptions<Size extends readonly number[]> extends Omit<AvgPoolOptions<Size>, 'countIncludePad'> {
  /** @default 1 */
  readonly dilation?: number | Size;
}

/** The windows that a pooling layer takes its values from, by dimension. */
export interface Window {
  readonly kernelSize: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly ceilMode: boolean;
}

type WindowOptions<Size extends readonly number[]> = Omit<AvgPoolOptions<Size>, 'countIncludePad'>;

/** @throws RangeError naming the option that is out of range */
function poolingWindow<Size extends readonly number[]>(options: WindowOptions<Size>, dims: Size['length']): Window {
  const kernelSize = checkSizes('kernelSize', options.kernelSize, dims, 1);
  const stride = checkSizes('stride', options.stride ?? kernelSize, dims, 1);
  const padding = checkSizes('padding', options.padding ?? 0, dims, 0);
  if (padding.some((size, dim) => size > kernelSize[dim]! / 2)) {
    throw new RangeError(
      `padding must be at most half of kernelSize [${kernelSize.join(', ')}], got [${padding.join(', ')}]`,
    );
  }
  return { kernelSize, stride, padding, ceilMode: options.ceilMode ?? false };
}

/** The largest element of each window; padding never wins. */
class MaxPool<Size extends readonly number[]> extends Module {
  readonly window: Window;
  readonly dilation: Size;

  constructor(options: MaxPoolOptions<Size>, dims: Size['length']) {
    super();
    this.window = poolingWindow(options, dims);
    this.dilation = checkSizes('dilation', options.dilation ?? 1, dims, 1);
  }

  forward(input: Tensor): Tensor {
    const { kernelSize, ...rest } = this.window;
    const operator = [ops.maxPool1d, ops.maxPool2d, ops.maxPool3d][kernelSize.length - 1]!;
    return operator(input, kernelSize, { ...rest, dilation: this.dilation });
  }
}

export class MaxPool1d extends MaxPool<Single> {
  /** @throws RangeError naming the option that is out of range */
  constructor(options: MaxPoolOptions<Single>) {
    super(options, 1);
  }
}

export class MaxPool2d extends MaxPool<Pair> {
  /** @throws RangeError naming the option that is out of range */
  constructor(options: MaxPoolOptions<Pair>) {
    super(options, 2);
  }
}

export class MaxPool3d extends MaxPool<Triple> {
  /** @throws RangeError naming the option that is out of range */
  constructor(options: MaxPoolOptions<Triple>) {
    super(options, 3);
  }
}

/** The mean of each window. */
class AvgPool<Size extends readonly number[]> extends Module {
  readonly window: Window;
  readonly countIncludePad: boolean;

  constructor(options: AvgPoolOptions<Size>, dims: Size['length']) {
    super();
    this.window = poolingWindow(options, dims);
    this.countIncludePad = options.countIncludePad ?? true;
  }

  forward(input: Tensor): Tensor {
    const { kernelSize, ...rest } = this.window;
    const operator = [ops.avgPool1d, ops.avgPool2d, ops.avgPool3d][kernelSize.length - 1]!;
    return operator(input, kernelSize, { ...rest, countIncludePad: this.countIncludePad });
  }
}

export class AvgPool1d extends AvgPool<Single> {
  /** @throws RangeError naming the option that is out of range */
  constructor(options: AvgPoolOptions<Single>) {
    super(options, 1);
  }
}

export class AvgPool2d extends AvgPool<Pair> {
  /** @throws RangeError naming the option that is out of range */
  constructor(options: AvgPoolOptions<Pair>) {
    super(options, 2);
  }
}

export class AvgPool3d extends AvgPool<Triple> {
  /** @throws RangeError naming the option that is out of range */
  constructor(options: AvgPoolOptions<Triple>) {
    super(options, 3);
  }
}

export interface AdaptiveAvgPoolOptions<Size extends readonly number[]> {
  readonly outputSize: number | Size;
}

/** The means of outputSize windows that cover the input: row i of h' spans ⌊i h / h'⌋ to ⌈(i + 1) h / h'⌉. */
class AdaptiveAvgPool<Size extends readonly number[]> extends Module {
  readonly outputSize: Size;

  constructor({ outputSize }: AdaptiveAvgPoolOptions<Size>, dims: Size['length']) {
    super();
    this.outputSize = checkSizes('outputSize', outputSize, dims, 1);
  }

  forward(input: Tensor): Tensor {
    const { outputSize } = this;
    const operator = [ops.adaptiveAvgPool1d, ops.adaptiveAvgPool2d, ops.adaptiveAvgPool3d][outputSize.length - 1]!;
    return operator(input, outputSize);
  }
}

export class AdaptiveAvgPool1d extends AdaptiveAvgPool<Single> {
  /** @throws RangeError where a size is no whole number of at least 1 */
  constructor(options: AdaptiveAvgPoolOptions<Single>) {
    super(options, 1);
  }
}

export class AdaptiveAvgPool2d extends AdaptiveAvgPool<Pair> {
  /** @throws RangeError where a size is no whole number of at least 1 */
  constructor(options: AdaptiveAvgPoolOptions<Pair>) {
    super(options, 2);
  }
}

export class AdaptiveAvgPool3d extends AdaptiveAvgPool<Triple> {
  /** @throws RangeError where a size is no whole number of at least 1 */
  constructor(options: AdaptiveAvgPoolOptions<Triple>) {
    super(options, 3);
  }
}
