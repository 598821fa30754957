/**
 * y = γ (x − E[x]) / √(Var[x] + eps) + β over each group of channels of a sample, as `torch.nn.GroupNorm`: [batch,
 * numChannels, …size] → the same shape. γ and β are a channel's. One group is a layer norm of all channels, and as many
 * as there are channels an instance norm. (Wu and He 2018.)
 */
import { ones, zeros } from '../creation.js';
import { groupNorm } from '../ops.generated.js';
import type { Tensor } from '../tensor.js';
import { checkNonNegative, checkWhole } from './checks.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';

export interface GroupNormOptions {
  /** Must divide numChannels. */
  readonly numGroups: number;
  readonly numChannels: number;
  /** @default 1e-5 */
  readonly eps?: number;
  /** Whether γ (`weight`) and β (`bias`) are trained. @default true */
  readonly affine?: boolean;
}

export class GroupNorm extends Module {
  readonly numGroups: number;
  readonly numChannels: number;
  readonly eps: number;
  /** γ: [numChannels], from 1 */
  readonly weight: Parameter | null;
  /** β: [numChannels], from 0 */
  readonly bias: Parameter | null;

  /** @throws RangeError where a number is no whole number of at least 1, or the groups do not divide the channels */
  constructor({ numGroups, numChannels, eps = 1e-5, affine = true }: GroupNormOptions) {
    super();
    checkWhole('numGroups', numGroups, 1);
    checkWhole('numChannels', numChannels, 1);
    if (numChannels % numGroups !== 0) {
      throw new RangeError(`numGroups ${numGroups} must divide numChannels ${numChannels}`);
    }
    this.numGroups = numGroups;
    this.numChannels = numChannels;
    this.eps = checkNonNegative('eps', eps);
    this.weight = affine ? new Parameter(ones([numChannels])) : null;
    this.bias = affine ? new Parameter(zeros([numChannels])) : null;
  }

  /** @throws TypeError unless `input` has numChannels channels */
  forward(input: Tensor): Tensor {
    const { numGroups, numChannels, weight, bias, eps } = this;
    const { shape } = input;
    if (shape[1] !== numChannels) {
      throw new TypeError(`GroupNorm expects [batch, ${numChannels}, …size], got [${shape.join(', ')}]`);
    }
    return groupNorm(input, numGroups, { weight, bias, eps });
  }
}
