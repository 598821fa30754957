/** A text encoder with a head that gives each text its classes' logits, or one number (regression, one label). */
import { nn, noGrad, type Tensor } from '@padnet/torch';
import { Routing, type RoutingDecision } from '../../layers/index.js';
import { ClassificationHead } from './classificationHead.js';
import type { TextConfig } from './config.js';
import { Encoder } from './encoder.js';
import { attentionBias } from './selfAttention.js';
import { TextEmbeddings } from './textEmbeddings.js';

/** A batch of texts, as tokens. */
export interface TextInputs {
  /** int64 [batch, length] */
  readonly inputIds: Tensor;
  /** int64 or bool [batch, length], 1 for real tokens */
  readonly attentionMask: Tensor;
  /** int64 [batch, length]: 1 for the second sentence of a pair; null for zeros */
  readonly tokenTypeIds: Tensor | null;
}

export interface TextOutput {
  /** [batch, numLabels] */
  readonly logits: Tensor;
  /** [batch, length, hiddenSize] */
  readonly lastHiddenState: Tensor;
  /** Sum over the MoE layers; null where there are none. */
  readonly auxiliaryLoss: Tensor | null;
  /** One of each MoE layer that ran. */
  readonly routing: readonly RoutingDecision[];
}

export class SequenceClassifier extends nn.Module {
  readonly config: TextConfig;
  readonly embeddings: TextEmbeddings;
  readonly encoder: Encoder;
  readonly head: ClassificationHead;

  /** Fresh weights, as `initialiseText` draws them. */
  constructor(config: TextConfig) {
    super();
    this.config = config;
    this.embeddings = new TextEmbeddings(config);
    this.encoder = new Encoder(config);
    this.head = new ClassificationHead(config);
    initialiseText(this, config.initializerRange);
  }

  /** @throws RangeError where there are more tokens than positions */
  forward({ inputIds, attentionMask, tokenTypeIds }: TextInputs): TextOutput {
    const tokenMask = attentionMask.to('bool');
    const routing = new Routing({ tokenMask });
    const embedded = this.embeddings.forward(inputIds, tokenTypeIds);
    const bias = attentionBias(tokenMask, this.config.numAttentionHeads, embedded.dtype);
    const lastHiddenState = this.encoder.forward(embedded, bias, routing);
    const logits = this.head.forward(lastHiddenState);
    return { logits, lastHiddenState, auxiliaryLoss: routing.auxiliaryLoss(), routing: routing.decisions };
  }
}

/** Hugging Face's fresh weights: N(0, std), biases 0, padding rows of embeddings 0; norms stay as made, 1 and 0. */
export function initialiseText(network: nn.Module, std: number): void {
  network.apply((module) => {
    if (module instanceof nn.Linear) {
      nn.init.normal_(module.weight, 0, std);
      noGrad(() => module.bias?.zero_());
    } else if (module instanceof nn.Embedding) {
      nn.init.normal_(module.weight, 0, std);
      const { paddingIdx } = module;
      if (paddingIdx !== null) noGrad(() => module.weight.select(0, paddingIdx).zero_());
    }
  });
}
