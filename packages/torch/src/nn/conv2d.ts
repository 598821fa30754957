/** y = W ∗ x + b, as `torch.nn.Conv2d`: [batch, inChannels, height, width] → [batch, outChannels, height', width']. */
import { empty } from '../creation.js';
import { conv2d } from '../ops.generated.js';
import type { Tensor } from '../tensor.js';
import { checkPair, checkWhole, type Pair } from './checks.js';
import { defaultUniform_ } from './init.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';

export interface Conv2dOptions {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: number | Pair;
  /** @default 1 */
  readonly stride?: number | Pair;
  /** Zeros on each side. @default 0 */
  readonly padding?: number | Pair;
  /** @default 1 */
  readonly dilation?: number | Pair;
  /** Must divide both numbers of channels. @default 1 */
  readonly groups?: number;
  /** @default true */
  readonly bias?: boolean;
}

/** The options with every default filled in. */
export interface Conv2dGeometry {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: Pair;
  readonly stride: Pair;
  readonly padding: Pair;
  readonly dilation: Pair;
  readonly groups: number;
}

/** @throws where a size is no whole number in range, or groups do not divide the channels */
export function conv2dGeometry(options: Conv2dOptions): Conv2dGeometry {
  const { inChannels, outChannels, groups = 1 } = options;
  for (const [name, value] of Object.entries({ inChannels, outChannels, groups })) checkWhole(name, value, 1);
  if (inChannels % groups !== 0 || outChannels % groups !== 0) {
    throw new RangeError(`groups ${groups} must divide inChannels ${inChannels} and outChannels ${outChannels}`);
  }
  return {
    inChannels,
    outChannels,
    kernelSize: checkPair('kernelSize', options.kernelSize, 1),
    stride: checkPair('stride', options.stride ?? 1, 1),
    padding: checkPair('padding', options.padding ?? 0, 0),
    dilation: checkPair('dilation', options.dilation ?? 1, 1),
    groups,
  };
}

/** [outChannels, inChannels / groups, kernelHeight, kernelWidth] */
export function conv2dWeightShape({ inChannels, outChannels, kernelSize, groups }: Conv2dGeometry): number[] {
  return [outChannels, inChannels / groups, ...kernelSize];
}

export class Conv2d extends Module {
  readonly geometry: Conv2dGeometry;
  /** [outChannels, inChannels / groups, kernelHeight, kernelWidth] */
  readonly weight: Parameter;
  /** [outChannels] */
  readonly bias: Parameter | null;

  constructor(options: Conv2dOptions) {
    super();
    this.geometry = conv2dGeometry(options);
    const shape = conv2dWeightShape(this.geometry);
    const fanIn = shape[1]! * shape[2]! * shape[3]!;
    this.weight = new Parameter(defaultUniform_(empty(shape), fanIn));
    this.bias = options.bias === false ? null : new Parameter(defaultUniform_(empty([shape[0]!]), fanIn));
  }

  forward(input: Tensor): Tensor {
    const { stride, padding, dilation, groups } = this.geometry;
    return conv2d(input, this.weight, { bias: this.bias, stride, padding, dilation, groups });
  }
}
