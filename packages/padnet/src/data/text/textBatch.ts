import type { TokenisedDataset } from './tokenise.js';

/** Some examples, ready for the network. The arrays are the receiver's to keep and to change. */
export interface TextBatch {
  /** Place of the batch in its epoch, from 0. */
  readonly index: number;
  /** Whether other ranks have other parts of the batch; else each that there are has all of it. */
  readonly isPart: boolean;
  readonly size: number;
  /** Tokens of each example, padding included. */
  readonly length: number;
  /** Which examples of the dataset these are, `[size]`. */
  readonly sampleIndices: Uint32Array<ArrayBuffer>;
  /** `[size, length]`, padded at the end with the padding token. */
  readonly inputIds: BigInt64Array<ArrayBuffer>;
  /** `[size, length]`, 1 for tokens and 0 for padding. */
  readonly attentionMask: BigInt64Array<ArrayBuffer>;
  /** `[size, length]`, 0 for padding. */
  readonly tokenTypeIds: BigInt64Array<ArrayBuffer>;
  /** `[size]`, class indices or scores; null where they are not known. */
  readonly labels: Float32Array<ArrayBuffer> | null;
}

/**
 * `longest`: to the longest of the batch; `maxLength`: to the dataset's `maxLength`, so that all batches have a shape.
 */
export const paddings = ['longest', 'maxLength'] as const;
export type TextPadding = (typeof paddings)[number];

/** The batch of these examples, in new arrays. */
export function textBatch(
  dataset: TokenisedDataset,
  index: number,
  sampleIndices: Uint32Array<ArrayBuffer>,
  padding: TextPadding,
  isPart = false,
): TextBatch {
  const { offsets, labels } = dataset;
  const size = sampleIndices.length;
  const longest = sampleIndices.reduce((most, sample) => Math.max(most, offsets[sample + 1]! - offsets[sample]!), 0);
  const length = padding === 'longest' ? longest : dataset.maxLength;
  const inputIds = new BigInt64Array(size * length).fill(BigInt(dataset.padTokenId));
  const attentionMask = new BigInt64Array(size * length);
  const tokenTypeIds = new BigInt64Array(size * length);
  sampleIndices.forEach((sample, row) => {
    for (let from = offsets[sample]!, to = row * length; from < offsets[sample + 1]!; from++, to++) {
      inputIds[to] = BigInt(dataset.inputIds[from]!);
      attentionMask[to] = 1n;
      tokenTypeIds[to] = BigInt(dataset.tokenTypeIds[from]!);
    }
  });
  return {
    index,
    isPart,
    size,
    length,
    sampleIndices,
    inputIds,
    attentionMask,
    tokenTypeIds,
    labels: labels && Float32Array.from(sampleIndices, (sample) => labels[sample]!),
  };
}
