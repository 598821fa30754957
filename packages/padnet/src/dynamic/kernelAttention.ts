/**
 * The router of DY-Conv (Chen et al. 2020, arXiv 1912.03458; method.md §1): α = softmax(fc2(relu(fc1(pool(x)))) / T).
 * The temperature T starts high (near-uniform coefficients, all kernels learn) and falls to 1 in the first epochs.
 */
import { nn, noGrad, ops, scope, type Tensor } from '@padnet/torch';
import { pooled, type InitialGains, type Router } from './router.js';
import { createTemperature } from './temperature.js';

export const routerStarts = ['published', 'active'] as const;

export interface KernelAttentionOptions {
  readonly inChannels: number;
  /** K. @default 4 */
  readonly numKernels?: number;
  /** Width of the hidden layer. @default that of `kernelAttentionWidth` */
  readonly hiddenChannels?: number;
  /**
   * Weights of the hidden layer at the start: normal, or the same with the sign by which each unit is `active` for an
   * input whose channels are alike. What is pooled behind a ReLU is about that, and half of the units that are
   * `published` are 0 for all of it, without a gradient that could change it. @default 'published'
   */
  readonly start?: (typeof routerStarts)[number];
  /** @default 31, as in the published layer; training sets it by its schedule */
  readonly temperature?: number;
}

/** The published width of the hidden layer: max(1, ⌊inChannels / 16⌋). */
export function kernelAttentionWidth(inChannels: number): number {
  return Math.max(1, Math.floor(inChannels / 16));
}

export class KernelAttention extends nn.Module implements Router {
  readonly numKernels: number;
  readonly sumsToOne = true;
  /** [hiddenChannels, inChannels] */
  readonly fc1: nn.Linear;
  /** [K, hiddenChannels], with bias */
  readonly fc2: nn.Linear;
  /** T, saved with the weights: a network is evaluated at the temperature it was saved at. */
  readonly temperature: nn.Buffer;

  constructor({
    inChannels,
    numKernels = 4,
    hiddenChannels = kernelAttentionWidth(inChannels),
    start = 'published',
    temperature = 31,
  }: KernelAttentionOptions) {
    super();
    this.numKernels = numKernels;
    this.fc1 = new nn.Linear({ inFeatures: inChannels, outFeatures: hiddenChannels, bias: false });
    this.fc2 = new nn.Linear({ inFeatures: hiddenChannels, outFeatures: numKernels });
    nn.init.kaimingNormal_(this.fc1.weight);
    nn.init.kaimingNormal_(this.fc2.weight);
    scope(() => {
      noGrad(() => {
        const { weight } = this.fc1;
        if (start === 'active') weight.mul_(weight.sum([1], { keepdim: true }).sign());
        this.fc2.bias?.zero_();
      });
    });
    this.temperature = createTemperature(temperature);
  }

  /** Coefficients of 1/K. */
  get initialGains(): InitialGains {
    return { coefficients: 1, squares: 1 / this.numKernels, spatial: 1, output: 1 };
  }

  forward(input: Tensor): Tensor {
    return ops.softmax(this.fc2.forward(this.hiddenUnits(input)).div(this.temperature), 1);
  }

  hiddenUnits(input: Tensor): Tensor {
    return this.fc1.forward(pooled(input)).relu();
  }

  countMacs([batch = 1]: readonly number[]): number {
    return batch * (this.fc1.weight.numel + this.fc2.weight.numel);
  }
}
