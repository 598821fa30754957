import type { TextTokenizer } from '@padnet/runtime/shared';
import { checkInteger } from '../checks.js';
import type { TextDataset } from './textDataset.js';

/** A dataset as token ids, ready to be cut into batches. */
export interface TokenisedDataset {
  readonly name: string;
  readonly length: number;
  /** Ids of all examples, one after the other, special tokens included. */
  readonly inputIds: Int32Array<ArrayBuffer>;
  /** Token types, beside `inputIds`. */
  readonly tokenTypeIds: Uint8Array<ArrayBuffer>;
  /** Example i is at `offsets[i]` … `offsets[i + 1]`; `length + 1` of them. */
  readonly offsets: Uint32Array<ArrayBuffer>;
  readonly labels: Float32Array<ArrayBuffer> | null;
  readonly classNames: readonly string[] | null;
  /** No example is longer. */
  readonly maxLength: number;
  readonly padTokenId: number;
}

/** Which sentences were too long. */
export interface Truncation {
  readonly name: string;
  /** How many examples lost tokens. */
  readonly count: number;
  /** Tokens that the longest would have had. */
  readonly longest: number;
  readonly maxLength: number;
}

export interface TokeniseOptions {
  /** Tokens of an example at most, special ones included. */
  readonly maxLength: number;
  /** Called once, at the end, if any example lost tokens. */
  readonly onTruncate?: ((truncation: Truncation) => void) | undefined;
}

/** The dataset's sentences through the tokenizer. Errors of `TextTokenizer.encode` apply. */
export function tokenise(
  dataset: TextDataset,
  tokenizer: TextTokenizer,
  { maxLength, onTruncate }: TokeniseOptions,
): TokenisedDataset {
  const { name, length, first, second, labels, classNames } = dataset;
  checkInteger('maxLength', maxLength, 1);
  let count = 0;
  let longest = 0;
  const encodings = first.map((sentence, index) =>
    tokenizer.encode(sentence, second?.[index] ?? null, {
      maxLength,
      onTruncate: (whole) => {
        count++;
        longest = Math.max(longest, whole);
      },
    }),
  );
  const offsets = new Uint32Array(length + 1);
  encodings.forEach(({ inputIds }, index) => (offsets[index + 1] = offsets[index]! + inputIds.length));
  const inputIds = new Int32Array(offsets[length]!);
  const tokenTypeIds = new Uint8Array(offsets[length]!);
  encodings.forEach((encoding, index) => {
    inputIds.set(encoding.inputIds, offsets[index]);
    tokenTypeIds.set(encoding.tokenTypeIds, offsets[index]);
  });
  if (count > 0) onTruncate?.({ name, count, longest, maxLength });
  return {
    name,
    length,
    inputIds,
    tokenTypeIds,
    offsets,
    labels,
    classNames,
    maxLength,
    padTokenId: tokenizer.padTokenId,
  };
}
