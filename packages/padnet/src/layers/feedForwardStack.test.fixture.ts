/**
 * A small transformer for tests: feed-forward blocks with residual connections, and a linear layer outside any block.
 */
import { manualSeed, nn, ops, type Tensor } from '@padnet/torch';
import { FeedForward } from './feedForward.js';
import { Routing } from './routing.js';

export interface FeedForwardStackOptions {
  /** @default 3 */
  readonly depth?: number;
  /** @default 6 */
  readonly hiddenSize?: number;
  /** @default 10 */
  readonly intermediateSize?: number;
}

export class FeedForwardStack extends nn.Module {
  readonly layers: nn.ModuleList<FeedForward>;
  readonly classifier: nn.Linear;

  constructor({ depth = 3, hiddenSize = 6, intermediateSize = 10 }: FeedForwardStackOptions = {}) {
    super();
    const options = { hiddenSize, intermediateSize, activation: (input: Tensor) => ops.gelu(input) };
    this.layers = new nn.ModuleList(Array.from({ length: depth }, () => new FeedForward(options)));
    this.classifier = new nn.Linear({ inFeatures: hiddenSize, outFeatures: 2 });
  }

  /** [batch, length, hiddenSize] → the same */
  forward(hidden: Tensor, routing = new Routing()): Tensor {
    return this.layers.items.reduce((output, layer) => output.add(layer.forward(output, routing)), hidden);
  }

  /** [batch, length, hiddenSize] → [batch, 2] */
  classify(hidden: Tensor, routing = new Routing()): Tensor {
    return this.classifier.forward(this.forward(hidden, routing).mean([1]));
  }
}

/** In evaluation mode; the same weights for the same seed. */
export function pretrainedStack(options: FeedForwardStackOptions = {}, seed = 3): FeedForwardStack {
  manualSeed(seed);
  return new FeedForwardStack(options).eval();
}
