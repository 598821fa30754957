/**
 * y = W ∗ x + b over one, two or three dimensions, as `torch.nn.Conv1d`, `Conv2d` and `Conv3d`: [batch, inChannels,
 * …size] → [batch, outChannels, …size'], size being length; height and width; or depth, height and width.
 */
import { empty } from '../creation.js';
import { conv1d, conv2d, conv3d } from '../ops.generated.js';
import type { Tensor } from '../tensor.js';
import { checkSizes, checkWhole, type Pair, type Single, type Triple } from './checks.js';
import { defaultUniform_ } from './init.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';

/** One number stands for each dimension. */
export interface ConvOptions<Size extends readonly number[]> {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: number | Size;
  /** @default 1 */
  readonly stride?: number | Size;
  /** Zeros on each side. @default 0 */
  readonly padding?: number | Size;
  /** @default 1 */
  readonly dilation?: number | Size;
  /** Must divide both numbers of channels. @default 1 */
  readonly groups?: number;
  /** @default true */
  readonly bias?: boolean;
}

export type Conv1dOptions = ConvOptions<Single>;
export type Conv2dOptions = ConvOptions<Pair>;
export type Conv3dOptions = ConvOptions<Triple>;

/** The options with every default filled in. */
export interface ConvGeometry<Size extends readonly number[] = readonly number[]> {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: Size;
  readonly stride: Size;
  readonly padding: Size;
  readonly dilation: Size;
  readonly groups: number;
}

export type Conv1dGeometry = ConvGeometry<Single>;
export type Conv2dGeometry = ConvGeometry<Pair>;
export type Conv3dGeometry = ConvGeometry<Triple>;

/** @throws RangeError where a size is no whole number in range, or groups do not divide the channels */
export function convGeometry<Size extends readonly number[]>(
  options: ConvOptions<Size>,
  dims: Size['length'],
): ConvGeometry<Size> {
  const { inChannels, outChannels, groups = 1 } = options;
  for (const [name, value] of Object.entries({ inChannels, outChannels, groups })) checkWhole(name, value, 1);
  if (inChannels % groups !== 0 || outChannels % groups !== 0) {
    throw new RangeError(`groups ${groups} must divide inChannels ${inChannels} and outChannels ${outChannels}`);
  }
  const sizes = (name: string, value: number | Size, least: number): Size => checkSizes(name, value, dims, least);
  return {
    inChannels,
    outChannels,
    kernelSize: sizes('kernelSize', options.kernelSize, 1),
    stride: sizes('stride', options.stride ?? 1, 1),
    padding: sizes('padding', options.padding ?? 0, 0),
    dilation: sizes('dilation', options.dilation ?? 1, 1),
    groups,
  };
}

/** @throws RangeError where a size is no whole number in range, or groups do not divide the channels */
export function conv1dGeometry(options: Conv1dOptions): Conv1dGeometry {
  return convGeometry(options, 1);
}

/** @throws as `conv1dGeometry` */
export function conv2dGeometry(options: Conv2dOptions): Conv2dGeometry {
  return convGeometry(options, 2);
}

/** @throws as `conv1dGeometry` */
export function conv3dGeometry(options: Conv3dOptions): Conv3dGeometry {
  return convGeometry(options, 3);
}

/** [outChannels, inChannels / groups, …kernelSize] */
export function convWeightShape({ inChannels, outChannels, kernelSize, groups }: ConvGeometry): number[] {
  return [outChannels, inChannels / groups, ...kernelSize];
}

/**
 * W ∗ x + b by the geometry's kernel size, over one to three dimensions.
 *
 * @param input [batch, inChannels, …size]
 * @param weight [outChannels, inChannels / groups, …kernelSize]
 * @param bias [outChannels]; null for none
 */
export function convolve(
  input: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  { kernelSize, stride, padding, dilation, groups }: ConvGeometry,
): Tensor {
  const operator = [conv1d, conv2d, conv3d][kernelSize.length - 1]!;
  return operator(input, weight, { bias, stride, padding, dilation, groups });
}

/** The base of convolutions: make a `Conv1d`, `Conv2d` or `Conv3d`. Weights and bias start as U(±1/√fan-in). */
export abstract class Conv extends Module {
  readonly geometry: ConvGeometry;
  /** [outChannels, inChannels / groups, …kernelSize] */
  readonly weight: Parameter;
  /** [outChannels] */
  readonly bias: Parameter | null;

  constructor(geometry: ConvGeometry, bias = true) {
    super();
    this.geometry = geometry;
    const shape = convWeightShape(geometry);
    const fanIn = shape.slice(1).reduce((product, size) => product * size);
    this.weight = new Parameter(defaultUniform_(empty(shape), fanIn));
    this.bias = bias ? new Parameter(defaultUniform_(empty([shape[0]!]), fanIn)) : null;
  }

  forward(input: Tensor): Tensor {
    return convolve(input, this.weight, this.bias, this.geometry);
  }
}

/** [batch, inChannels, length] → [batch, outChannels, length'] */
export class Conv1d extends Conv {
  declare readonly geometry: Conv1dGeometry;

  /** @throws as `conv1dGeometry` */
  constructor(options: Conv1dOptions) {
    super(conv1dGeometry(options), options.bias);
  }
}

/** [batch, inChannels, height, width] → [batch, outChannels, height', width'] */
export class Conv2d extends Conv {
  declare readonly geometry: Conv2dGeometry;

  /** @throws as `conv1dGeometry` */
  constructor(options: Conv2dOptions) {
    super(conv2dGeometry(options), options.bias);
  }
}

/** [batch, inChannels, depth, height, width] → [batch, outChannels, depth', height', width'] */
export class Conv3d extends Conv {
  declare readonly geometry: Conv3dGeometry;

  /** @throws as `conv1dGeometry` */
  constructor(options: Conv3dOptions) {
    super(conv3dGeometry(options), options.bias);
  }
}
