/** A forward pass of one sample: what multiplications and shapes are counted on. */
import { ones, zeros, type nn } from '@padnet/torch';
import { maxTokens, type SequenceClassifier, type TextConfig } from '../models/index.js';

/** Runs it; the result does not matter. */
export type SamplePass = () => unknown;

/** @param shape [channels, height, width] */
export function picturePass(network: nn.Layer, shape: readonly [number, number, number]): SamplePass {
  return () => network.forward(zeros([1, ...shape]));
}

/** Tokens of the sentence that text networks are counted on: 128, or as many as the encoder has positions for. */
export function sampleTokens(config: TextConfig): number {
  return Math.min(128, maxTokens(config));
}

/** A sentence of `sampleTokens` tokens, none of them padding. */
export function textPass(network: SequenceClassifier): SamplePass {
  const shape = [1, sampleTokens(network.config)];
  return () =>
    network.forward({
      // Any token but padding, which takes no position in RoBERTa.
      inputIds: zeros(shape, { dtype: 'int64' }).add(network.config.padTokenId === 0 ? 1 : 0),
      attentionMask: ones(shape, { dtype: 'int64' }),
      tokenTypeIds: null,
    });
}
