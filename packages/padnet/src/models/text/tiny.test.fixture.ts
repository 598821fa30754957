/** Small encoders of each family, for tests. */
import { tensor, type Tensor } from '@padnet/torch';
import { parseTextConfig, type TextConfig } from './config.js';
import type { FamilyName } from './family.js';
import type { TextInputs } from './sequenceClassifier.js';

/** The object of a `config.json`, without dropout. */
export function tinyConfigJson(family: FamilyName): Record<string, unknown> {
  return {
    model_type: family,
    vocab_size: 30,
    hidden_size: 8,
    embedding_size: 6,
    num_hidden_layers: 3,
    num_attention_heads: 2,
    intermediate_size: 12,
    hidden_dropout_prob: 0,
    attention_probs_dropout_prob: 0,
    [family === 'albert' ? 'classifier_dropout_prob' : 'classifier_dropout']: 0,
    max_position_embeddings: 16,
    // Large, so that the logits of fresh networks differ.
    initializer_range: 0.5,
    num_labels: 3,
  };
}

export function tinyConfig(family: FamilyName, more: Readonly<Record<string, unknown>> = {}): TextConfig {
  return parseTextConfig({ ...tinyConfigJson(family), ...more }, 'config.json');
}

/** Texts of tokens, padded to the longest; the second half of each is its second sentence. */
export function batch(texts: readonly (readonly number[])[], padTokenId: number, length = 0): TextInputs {
  const longest = Math.max(length, ...texts.map((text) => text.length));
  const padded = (value: (text: readonly number[], index: number) => number, padding: number): Tensor =>
    tensor(
      texts.map((text) => Array.from({ length: longest }, (_, i) => (i < text.length ? value(text, i) : padding))),
      { dtype: 'int64' },
    );
  return {
    inputIds: padded((text, index) => text[index]!, padTokenId),
    attentionMask: padded(() => 1, 0),
    tokenTypeIds: padded((text, index) => Number(index >= text.length / 2), 0),
  };
}
