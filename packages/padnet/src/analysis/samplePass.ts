/** A forward pass of one sample: what multiplications and shapes are counted on. */
import { ops, zeros, type nn } from '@padnet/torch';
import { maxTokens, type SequenceClassifier } from '../models/index.js';

export interface SamplePass {
  /** The sample that runs: `1 picture`, `128 tokens`. */
  readonly sample: string;
  /** The result does not matter. */
  run(): unknown;
  /** A picture of another side; null for a text. */
  readonly ofSize: ((side: number) => SamplePass) | null;
}

/** @param shape [channels, height, width] */
export function picturePass(network: nn.Layer, shape: readonly [number, number, number]): SamplePass {
  return {
    sample: '1 picture',
    run: () => network.forward(zeros([1, ...shape])),
    ofSize: (side) => picturePass(network, [shape[0], side, side]),
  };
}

/** A sentence of 128 tokens, or as many as the encoder has positions for; none of them is padding. */
export function textPass(network: SequenceClassifier): SamplePass {
  const length = Math.min(128, maxTokens(network.config));
  return {
    sample: `${length} tokens`,
    ofSize: null,
    run: () => {
      const attentionMask = ops.ones([1, length], { dtype: 'int64' });
      const inputIds = ops.fullLike(attentionMask, network.config.padTokenId === 0 ? 1 : 0);
      return network.forward({ inputIds, attentionMask, tokenTypeIds: null });
    },
  };
}
