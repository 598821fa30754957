/**
 * The router of DY-Conv (Chen et al. 2020, arXiv 1912.03458; method.md §1): α = softmax(fc2(relu(fc1(pool(x)))) / T).
 * The temperature T starts high (near-uniform coefficients, all kernels learn) and falls to 1 in the first epochs.
 */
import { nn, noGrad, ops, type Tensor } from '@padnet/torch';
import { pooled, type Router } from './router.js';
import { createTemperature } from './temperature.js';

export interface KernelAttentionOptions {
  readonly inChannels: number;
  /** K. @default 4 */
  readonly numKernels?: number;
  /** Width of the hidden layer. @default max(1, ⌊inChannels / 16⌋) */
  readonly hiddenChannels?: number;
  /** @default 31, as in the published layer; training sets it by its schedule */
  readonly temperature?: number;
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

  constructor({ inChannels, numKernels = 4, hiddenChannels, temperature = 31 }: KernelAttentionOptions) {
    super();
    this.numKernels = numKernels;
    const hidden = hiddenChannels ?? Math.max(1, Math.floor(inChannels / 16));
    this.fc1 = new nn.Linear({ inFeatures: inChannels, outFeatures: hidden, bias: false });
    this.fc2 = new nn.Linear({ inFeatures: hidden, outFeatures: numKernels });
    nn.init.kaimingNormal_(this.fc1.weight);
    nn.init.kaimingNormal_(this.fc2.weight);
    noGrad(() => this.fc2.bias?.zero_());
    this.temperature = createTemperature(temperature);
  }

  forward(input: Tensor): Tensor {
    const hidden = this.fc1.forward(pooled(input)).relu();
    return ops.softmax(this.fc2.forward(hidden).div(this.temperature), 1);
  }

  countMacs([batch = 1]: readonly number[]): number {
    return batch * (this.fc1.weight.numel + this.fc2.weight.numel);
  }
}
