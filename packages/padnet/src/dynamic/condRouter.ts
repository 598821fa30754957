/**
 * The router of CondConv (Yang et al. 2019, arXiv 1904.04971; method.md §1): α = sigmoid(fc(pool(x))). The coefficients
 * do not sum to 1.
 */
import { nn, noGrad, scope, type Tensor } from '@padnet/torch';
import { pooled, type Gains, type InitialGains, type Router } from './router.js';

export interface CondRouterOptions {
  readonly inChannels: number;
  /** K. @default 8, as published */
  readonly numKernels?: number;
}

export class CondRouter extends nn.Module implements Router {
  readonly numKernels: number;
  readonly sumsToOne = false;
  /** [K, inChannels], with bias */
  readonly fc: nn.Linear;

  constructor({ inChannels, numKernels = 8 }: CondRouterOptions) {
    super();
    this.numKernels = numKernels;
    this.fc = new nn.Linear({ inFeatures: inChannels, outFeatures: numKernels });
  }

  /** Coefficients of ½. */
  get initialGains(): InitialGains {
    const { numKernels } = this;
    return { coefficients: numKernels / 2, squares: numKernels / 4, spatial: 1, output: 1 };
  }

  forward(input: Tensor): Tensor {
    return this.fc.forward(pooled(input)).sigmoid();
  }

  /** Different coefficients, N(0, 1) before the sigmoid: kernels that are equal would get equal gradients for ever. */
  neutralise(): Gains {
    const bias = this.fc.bias!;
    const coefficients = scope(() =>
      noGrad(() => {
        this.fc.weight.zero_();
        nn.init.normal_(bias, 0, 1);
        return bias.sigmoid().sum().item();
      }),
    );
    return { coefficients, spatial: 1, output: 1 };
  }

  countMacs([batch = 1]: readonly number[]): number {
    return batch * this.fc.weight.numel;
  }
}
