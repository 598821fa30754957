/**
 * The differences between BERT (Devlin et al. 2019), RoBERTa (Liu et al. 2019), ALBERT (Lan et al. 2020) and ELECTRA
 * (Clark et al. 2020, the discriminator), as data: there is one encoder for all four.
 */
import type { ActivationName } from './activation.js';

export const familyNames = ['bert', 'roberta', 'albert', 'electra'] as const;
export type FamilyName = (typeof familyNames)[number];

export interface Family {
  /** Hugging Face's class of the network with this head. */
  readonly architecture: string;
  /** Positions count from 0, or from padTokenId + 1 over the tokens that are not padding. */
  readonly positions: 'fromZero' | 'afterPadding';
  /** Whether embeddings are narrower than hidden states: always, where the sizes differ, or never. */
  readonly projection: 'always' | 'whereSizesDiffer' | 'never';
  /** Whether what the feed-forward block adds goes through dropout. */
  readonly feedForwardDropout: boolean;
  readonly head: {
    readonly activation: ActivationName;
    /** Whether the first token's hidden state goes through dropout. */
    readonly inputDropout: boolean;
  };
  /** The values that Hugging Face takes where `config.json` is silent. */
  readonly defaults: {
    readonly hiddenAct: ActivationName;
    /** The dropout of hidden states and of attention probabilities. */
    readonly dropout: number;
    /** null: as hidden states. */
    readonly classifierDropout: number | null;
    readonly padTokenId: number;
    /** null: as hiddenSize. */
    readonly embeddingSize: number | null;
  };
  /** Hugging Face's key of the classifier's dropout. */
  readonly classifierDropoutKey: 'classifier_dropout' | 'classifier_dropout_prob';
}

const defaults = {
  hiddenAct: 'gelu',
  dropout: 0.1,
  classifierDropout: null,
  padTokenId: 0,
  embeddingSize: null,
} as const satisfies Family['defaults'];

export const families: Readonly<Record<FamilyName, Family>> = {
  bert: {
    architecture: 'BertForSequenceClassification',
    positions: 'fromZero',
    projection: 'never',
    feedForwardDropout: true,
    head: { activation: 'tanh', inputDropout: false },
    defaults,
    classifierDropoutKey: 'classifier_dropout',
  },
  roberta: {
    architecture: 'RobertaForSequenceClassification',
    positions: 'afterPadding',
    projection: 'never',
    feedForwardDropout: true,
    head: { activation: 'tanh', inputDropout: true },
    defaults: { ...defaults, padTokenId: 1 },
    classifierDropoutKey: 'classifier_dropout',
  },
  albert: {
    architecture: 'AlbertForSequenceClassification',
    positions: 'fromZero',
    projection: 'always',
    feedForwardDropout: false,
    head: { activation: 'tanh', inputDropout: false },
    defaults: { ...defaults, hiddenAct: 'gelu_new', dropout: 0, classifierDropout: 0.1, embeddingSize: 128 },
    classifierDropoutKey: 'classifier_dropout_prob',
  },
  electra: {
    architecture: 'ElectraForSequenceClassification',
    positions: 'fromZero',
    projection: 'whereSizesDiffer',
    feedForwardDropout: true,
    head: { activation: 'gelu', inputDropout: true },
    defaults: { ...defaults, embeddingSize: 128 },
    classifierDropoutKey: 'classifier_dropout',
  },
};
