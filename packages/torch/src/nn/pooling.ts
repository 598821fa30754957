/** Pooling of pictures, as in `torch.nn`: [batch, channels, height, width] → [batch, channels, height', width']. */
import * as ops from '../ops.generated.js';
import type { Tensor } from '../tensor.js';
import { checkPair, type Pair } from './checks.js';
import { Module } from './module.js';

export interface AvgPool2dOptions {
  readonly kernelSize: number | Pair;
  /** @default kernelSize */
  readonly stride?: number | Pair;
  /** On each side; at most half of kernelSize. @default 0 */
  readonly padding?: number | Pair;
  /** Whether a window may begin inside the padded picture and end beyond it. @default false */
  readonly ceilMode?: boolean;
  /** Whether padded zeros count in the average. @default true */
  readonly countIncludePad?: boolean;
}

export interface MaxPool2dOptions extends Omit<AvgPool2dOptions, 'countIncludePad'> {
  /** @default 1 */
  readonly dilation?: number | Pair;
}

interface Window {
  readonly kernelSize: Pair;
  readonly stride: Pair;
  readonly padding: Pair;
  readonly ceilMode: boolean;
}

/** @throws RangeError naming the option that is out of range */
function poolingWindow(options: Omit<AvgPool2dOptions, 'countIncludePad'>): Window {
  const kernelSize = checkPair('kernelSize', options.kernelSize, 1);
  const stride = checkPair('stride', options.stride ?? kernelSize, 1);
  const padding = checkPair('padding', options.padding ?? 0, 0);
  if (padding.some((size, dim) => size > kernelSize[dim]! / 2)) {
    throw new RangeError(
      `padding must be at most half of kernelSize [${kernelSize.join(', ')}], got [${padding.join(', ')}]`,
    );
  }
  return { kernelSize, stride, padding, ceilMode: options.ceilMode ?? false };
}

/** The largest element of each window; padding never wins. */
export class MaxPool2d extends Module {
  readonly window: Window;
  readonly dilation: Pair;

  /** @throws RangeError naming the option that is out of range */
  constructor(options: MaxPool2dOptions) {
    super();
    this.window = poolingWindow(options);
    this.dilation = checkPair('dilation', options.dilation ?? 1, 1);
  }

  forward(input: Tensor): Tensor {
    const { kernelSize, ...rest } = this.window;
    return ops.maxPool2d(input, kernelSize, { ...rest, dilation: this.dilation });
  }
}

/** The mean of each window. */
export class AvgPool2d extends Module {
  readonly window: Window;
  readonly countIncludePad: boolean;

  /** @throws RangeError naming the option that is out of range */
  constructor(options: AvgPool2dOptions) {
    super();
    this.window = poolingWindow(options);
    this.countIncludePad = options.countIncludePad ?? true;
  }

  forward(input: Tensor): Tensor {
    const { kernelSize, ...rest } = this.window;
    return ops.avgPool2d(input, kernelSize, { ...rest, countIncludePad: this.countIncludePad });
  }
}

export interface AdaptiveAvgPool2dOptions {
  readonly outputSize: number | Pair;
}

/** The means of outputSize windows that cover the picture: row i of h' spans ⌊i h / h'⌋ to ⌈(i + 1) h / h'⌉. */
export class AdaptiveAvgPool2d extends Module {
  readonly outputSize: Pair;

  /** @throws RangeError where a size is no whole number of at least 1 */
  constructor({ outputSize }: AdaptiveAvgPool2dOptions) {
    super();
    this.outputSize = checkPair('outputSize', outputSize, 1);
  }

  forward(input: Tensor): Tensor {
    return ops.adaptiveAvgPool2d(input, this.outputSize);
  }
}
