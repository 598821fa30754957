/**
 * The router of DCD (Li et al. 2021, arXiv 2103.08756; method.md §1): from averages of the four quarters of the input,
 *
 *     u = fc(pool(x)),   h = u ⊙ hsigmoid(gate(u)),   s = hsigmoid(scale(h)),   hsigmoid(v) = relu6(v + 3) / 3
 *
 * h are the coefficients of the bank that Φ(x) = Σ_k h_k Θ_k comes from: a linear layer without bias, one of whose
 * inputs goes with each bank entry. They have no bounds and may be negative. s is the channel scale. As in the
 * published code: no biases, the widths, and an h-sigmoid from 0 to 2, so that s is 1 where scale(h) is 0.
 */
import { nn, noGrad, ops, type Tensor } from '@padnet/torch';
import type { Attention, Gains, Router } from './router.js';

export interface DcdRouterOptions {
  readonly geometry: nn.ConvGeometry;
  /** Width of h. @default max(4, ⌊4 · inChannels / 16⌋); for 1×1 kernels max(4, ⌊inChannels / 16⌋) */
  readonly hiddenChannels?: number;
}

/** Numbers that are pooled from the input: averages of four quarters. */
const quarters = [2, 2] as const;

/** The number that DCD's widths are chosen by: fewer latent channels for 1×1 kernels, as in the published ResNet-50. */
function fusedChannels({ inChannels, kernelSize }: nn.ConvGeometry): number {
  return Math.max(...kernelSize) > 1 ? 4 * inChannels : inChannels;
}

/** L, channels of DCD's latent space: ⌊√(4 · inChannels)⌋, for 1×1 kernels ⌊√inChannels⌋. */
export function latentChannels(geometry: nn.ConvGeometry): number {
  return Math.floor(Math.sqrt(fusedChannels(geometry)));
}

export class DcdRouter extends nn.Module implements Router {
  /** Width of h. */
  readonly numKernels: number;
  readonly sumsToOne = false;
  /** [numKernels, 4 · inChannels] */
  readonly fc: nn.Linear;
  /** [numKernels, numKernels] */
  readonly gate: nn.Linear;
  /** [outChannels, numKernels] */
  readonly scale: nn.Linear;

  constructor({ geometry, hiddenChannels }: DcdRouterOptions) {
    super();
    const hidden = hiddenChannels ?? Math.max(4, Math.floor(fusedChannels(geometry) / 16));
    this.numKernels = hidden;
    this.fc = linear(quarters[0] * quarters[1] * geometry.inChannels, hidden);
    this.gate = linear(hidden, hidden);
    this.scale = linear(hidden, geometry.outChannels);
  }

  /** [batch, inChannels, height, width] → h [batch, numKernels] */
  forward(input: Tensor): Tensor {
    const features = this.fc.forward(ops.adaptiveAvgPool2d(input, quarters).flatten({ startDim: 1 }));
    return features.mul(hsigmoid(this.gate.forward(features)));
  }

  /** The channel scale is `filter`. */
  attend(input: Tensor): Attention & { readonly filter: Tensor } {
    const coefficients = this.forward(input);
    return { coefficients, spatial: null, channel: null, filter: hsigmoid(this.scale.forward(coefficients)) };
  }

  /** A scale of 1 for every input. Its weight still gets gradients: h is not 0, and hsigmoid rises by 1/3 there. */
  neutralise(): Gains {
    noGrad(() => this.scale.weight.zero_());
    return { coefficients: 1, spatial: 1, output: 1 };
  }

  countMacs([batch = 1]: readonly number[]): number {
    return batch * (this.fc.weight.numel + this.gate.weight.numel + this.scale.weight.numel);
  }
}

function linear(inFeatures: number, outFeatures: number): nn.Linear {
  return new nn.Linear({ inFeatures, outFeatures, bias: false });
}

function hsigmoid(input: Tensor): Tensor {
  return ops.hardtanh(input.add(3), { minVal: 0, maxVal: 6 }).div(3);
}
