/**
 * The router of ODConv (Li et al. 2022, arXiv 2209.07947; method.md §1): four attentions from one trunk,
 *
 *     h = relu(BN(fc(pool(x)))),   kernel α = softmax(W_k h / T),   spatial, channel, filter = sigmoid(W h / T)
 *
 * Spatial and kernel attention act on the bank, channel and filter attention on the layer's input and output. A
 * depth-wise layer has no filter attention, for it is the channel's; a 1×1 layer no spatial one.
 */
import { nn, noGrad, ops, type Tensor } from '@padnet/torch';
import { normalise } from './normalise.js';
import { pooled, type Attention, type Gains, type InitialGains, type Router } from './router.js';
import { createTemperature } from './temperature.js';

export interface OdAttentionOptions {
  readonly geometry: nn.ConvGeometry;
  /** K. @default 4 */
  readonly numKernels?: number;
  /** Width of the trunk. @default that of `odAttentionWidth` */
  readonly hiddenChannels?: number;
  /** @default 31; training sets it by its schedule */
  readonly temperature?: number;
}

/** The published width of the trunk: max(16, ⌊inChannels / 16⌋). */
export function odAttentionWidth(inChannels: number): number {
  return Math.max(16, Math.floor(inChannels / 16));
}

/** α = softmax(linear(h) / T): h [batch, hidden] → [batch, K]. */
class KernelHead extends nn.Module {
  readonly linear: nn.Linear;

  constructor(hidden: number, numKernels: number) {
    super();
    this.linear = head(hidden, numKernels);
  }

  forward(hidden: Tensor, temperature: Tensor): Tensor {
    return ops.softmax(this.linear.forward(hidden).div(temperature), 1);
  }
}

export class OdAttention extends nn.Module implements Router {
  readonly numKernels: number;
  readonly sumsToOne = true;
  /** [hidden, inChannels] */
  readonly fc: nn.Linear;
  readonly bn: nn.BatchNorm2d;
  readonly kernel: KernelHead;
  /** [positions of the kernel, hidden] */
  readonly spatial: nn.Linear | null;
  /** [inChannels, hidden] */
  readonly channel: nn.Linear;
  /** [outChannels, hidden] */
  readonly filter: nn.Linear | null;
  /** T, of all four. */
  readonly temperature: nn.Buffer;

  constructor({ geometry, numKernels = 4, hiddenChannels, temperature = 31 }: OdAttentionOptions) {
    super();
    const { inChannels, outChannels, groups, kernelSize } = geometry;
    const hidden = hiddenChannels ?? odAttentionWidth(inChannels);
    const positions = kernelSize.reduce((product, size) => product * size);
    this.numKernels = numKernels;
    this.temperature = createTemperature(temperature);
    this.fc = new nn.Linear({ inFeatures: inChannels, outFeatures: hidden, bias: false });
    nn.init.kaimingNormal_(this.fc.weight);
    this.bn = new nn.BatchNorm2d({ numFeatures: hidden, activation: 'relu' });
    this.kernel = new KernelHead(hidden, numKernels);
    this.spatial = positions > 1 ? head(hidden, positions) : null;
    this.channel = head(hidden, inChannels);
    this.filter = groups === inChannels && groups === outChannels ? null : head(hidden, outChannels);
  }

  get hasSpatialAttention(): boolean {
    return this.spatial !== null;
  }

  /** Coefficients of 1/K, and ½ of each other attention. */
  get initialGains(): InitialGains {
    const { numKernels, spatial, filter } = this;
    return {
      coefficients: 1,
      squares: 1 / numKernels,
      spatial: spatial ? 0.5 : 1,
      output: filter ? 0.25 : 0.5,
    };
  }

  forward(input: Tensor): Tensor {
    return this.kernel.forward(this.hiddenUnits(input), this.temperature);
  }

  attend(input: Tensor): Attention {
    const hidden = this.hiddenUnits(input);
    const attention = (layer: nn.Linear): Tensor => layer.forward(hidden).div(this.temperature).sigmoid();
    return {
      coefficients: this.kernel.forward(hidden, this.temperature),
      spatial: this.spatial && attention(this.spatial),
      channel: attention(this.channel),
      filter: this.filter && attention(this.filter),
    };
  }

  hiddenUnits(input: Tensor): Tensor {
    const features = this.fc.forward(pooled(input));
    return normalise(this.bn, features.unsqueeze(2).unsqueeze(3)).flatten({ startDim: 1 });
  }

  /** Spatial, channel and filter attention are ½ for every input; the kernel attention sums to 1 as it is. */
  neutralise(): Gains {
    noGrad(() => {
      for (const layer of [this.spatial, this.channel, this.filter]) {
        layer?.weight.zero_();
        layer?.bias?.zero_();
      }
    });
    return this.initialGains;
  }

  countMacs([batch = 1]: readonly number[]): number {
    const { fc, kernel, spatial, channel, filter } = this;
    return [fc, kernel.linear, spatial, channel, filter].reduce(
      (sum, layer) => sum + batch * (layer?.weight.numel ?? 0),
      0,
    );
  }
}

/** The module of a router whose `forward` gives the coefficients whenever the layer runs: what an observer watches. */
export function coefficientModule(router: Router): nn.Module {
  return router instanceof OdAttention ? router.kernel : router;
}

function head(inFeatures: number, outFeatures: number): nn.Linear {
  const layer = new nn.Linear({ inFeatures, outFeatures });
  nn.init.kaimingNormal_(layer.weight);
  noGrad(() => layer.bias!.zero_());
  return layer;
}
