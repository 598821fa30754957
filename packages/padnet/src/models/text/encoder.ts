/** The transformer encoder of all four families: layers of self-attention and feed-forward block, norms after each. */
import { nn, type Tensor } from '@padnet/torch';
import { FeedForward, type Routing } from '../../layers/index.js';
import { activation } from './activation.js';
import type { TextConfig } from './config.js';
import { families } from './family.js';
import { SelfAttention } from './selfAttention.js';

/** a = attention(x), y = LayerNorm(a + feedForward(a)) */
export class EncoderLayer extends nn.Module {
  readonly attention: SelfAttention;
  readonly feedForward: FeedForward;
  readonly norm: nn.LayerNorm;
  readonly dropout: nn.Layer;

  constructor(config: TextConfig) {
    super();
    const { hiddenSize, intermediateSize, hiddenAct } = config;
    this.attention = new SelfAttention(config);
    this.feedForward = new FeedForward({ hiddenSize, intermediateSize, activation: activation(hiddenAct) });
    this.norm = new nn.LayerNorm({ normalizedShape: hiddenSize, eps: config.layerNormEps });
    const drops = families[config.family].feedForwardDropout;
    this.dropout = drops ? new nn.Dropout({ p: config.hiddenDropout }) : new nn.Identity();
  }

  /** @param bias see `SelfAttention.forward` */
  forward(hidden: Tensor, bias: Tensor, routing: Routing): Tensor {
    const attended = this.attention.forward(hidden, bias);
    const added = this.dropout.forward(this.feedForward.forward(attended, routing));
    return this.norm.forward(added.add(attended));
  }
}

export class Encoder extends nn.Module {
  /** Layers with weights of their own; ALBERT runs each several times. */
  readonly layers: nn.ModuleList<EncoderLayer>;
  /** Which of `layers` runs, in order. */
  readonly order: readonly number[];

  constructor(config: TextConfig) {
    super();
    const { numHiddenGroups, innerGroupNum, numHiddenLayers } = config;
    this.layers = new nn.ModuleList(
      Array.from({ length: numHiddenGroups * innerGroupNum }, () => new EncoderLayer(config)),
    );
    this.order = Array.from({ length: numHiddenLayers }, (_, index) => {
      // In this order, as ALBERT's code divides: its rounding decides where the groups do not share the layers evenly.
      const group = Math.floor(index / (numHiddenLayers / numHiddenGroups));
      return Array.from({ length: innerGroupNum }, (_, inner) => group * innerGroupNum + inner);
    }).flat();
  }

  /** [batch, length, hiddenSize] → the same; `bias` as in `SelfAttention.forward` */
  forward(hidden: Tensor, bias: Tensor, routing: Routing): Tensor {
    return this.order.reduce((x, index) => this.layers.items[index]!.forward(x, bias, routing), hidden);
  }
}
