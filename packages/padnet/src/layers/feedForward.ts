/**
 * The feed-forward block of a transformer, linear → activation → linear; either layer may be a mixture of experts with
 * a router of its own (method.md §1).
 */
import { nn, type Tensor } from '@padnet/torch';
import { MoELinear } from './moeLinear.js';
import type { Routing } from './routing.js';

export interface FeedForwardOptions {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly activation: (input: Tensor) => Tensor;
}

export class FeedForward extends nn.Module {
  /** [intermediateSize, hiddenSize] */
  readonly intermediate: nn.Linear | MoELinear;
  /** [hiddenSize, intermediateSize] */
  readonly output: nn.Linear | MoELinear;
  readonly activation: (input: Tensor) => Tensor;

  constructor({ hiddenSize, intermediateSize, activation }: FeedForwardOptions) {
    super();
    this.intermediate = new nn.Linear({ inFeatures: hiddenSize, outFeatures: intermediateSize });
    this.output = new nn.Linear({ inFeatures: intermediateSize, outFeatures: hiddenSize });
    this.activation = activation;
  }

  /** [batch, length, hiddenSize] → the same */
  forward(hidden: Tensor, routing: Routing): Tensor {
    return apply(this.output, this.activation(apply(this.intermediate, hidden, routing)), routing);
  }
}

function apply(layer: nn.Linear | MoELinear, input: Tensor, routing: Routing): Tensor {
  return layer instanceof MoELinear ? layer.forward(input, routing) : layer.forward(input);
}
