/**
 * From the first token's hidden state to logits: activation(x Wᵀ + b), then a linear layer, with dropout before the
 * last (and in RoBERTa and ELECTRA before the first). Hugging Face calls BERT's and ALBERT's first layer the pooler.
 */
import { nn, type Tensor } from '@padnet/torch';
import { activation, type Activation } from './activation.js';
import type { TextConfig } from './config.js';
import { families } from './family.js';

export class ClassificationHead extends nn.Module {
  readonly dense: nn.Linear;
  readonly output: nn.Linear;
  readonly inputDropout: nn.Layer;
  readonly dropout: nn.Dropout;
  private readonly activation: Activation;

  constructor(config: TextConfig) {
    super();
    const { hiddenSize, classifierDropout, labels } = config;
    const { head } = families[config.family];
    this.dense = new nn.Linear({ inFeatures: hiddenSize, outFeatures: hiddenSize });
    this.output = new nn.Linear({ inFeatures: hiddenSize, outFeatures: labels.length });
    this.inputDropout = head.inputDropout ? new nn.Dropout({ p: classifierDropout }) : new nn.Identity();
    this.dropout = new nn.Dropout({ p: classifierDropout });
    this.activation = activation(head.activation);
  }

  /** [batch, length, hiddenSize] → [batch, numLabels] */
  forward(hidden: Tensor): Tensor {
    const first = this.inputDropout.forward(hidden.select(1, 0));
    return this.output.forward(this.dropout.forward(this.activation(this.dense.forward(first))));
  }
}
