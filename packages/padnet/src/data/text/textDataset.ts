import { checkInteger } from '../checks.js';
import { RandomStream } from '../random.js';
import { inOrder, permutation } from '../sampleOrder.js';

/** Labelled sentences, or pairs of them, in memory. Nobody writes to its arrays. */
export interface TextDataset {
  /** Its name in messages, such as `RTE/train`. */
  readonly name: string;
  readonly length: number;
  readonly first: readonly string[];
  /** The other sentence of each pair; null where examples are single sentences. */
  readonly second: readonly string[] | null;
  /** Class of each example (an index into `classNames`) or its score; null where they are not known. */
  readonly labels: Float32Array<ArrayBuffer> | null;
  /** Null: labels are scores. */
  readonly classNames: readonly string[] | null;
  /** The name that a test file gives each example, `length` of them; a submission repeats it. */
  readonly indices?: readonly string[] | undefined;
}

/** These examples, in this order. */
export function selectTexts(dataset: TextDataset, rows: Uint32Array): TextDataset {
  const pick = (texts: readonly string[]): string[] => Array.from(rows, (row) => texts[row]!);
  const { first, second, labels, indices } = dataset;
  return {
    ...dataset,
    length: rows.length,
    first: pick(first),
    second: second && pick(second),
    labels: labels && Float32Array.from(rows, (row) => labels[row]!),
    ...(indices && { indices: pick(indices) }),
  };
}

/**
 * `count` of the examples (all of them where there are fewer), at least 1: the first ones or, given a seed, a sample
 * without replacement that depends on (length, count, seed) alone. Their order stays.
 */
export function limitTexts(dataset: TextDataset, count: number, seed?: number): TextDataset {
  checkInteger(`limit of ${dataset.name}`, count, 1);
  if (count >= dataset.length) return dataset;
  const rows =
    seed === undefined
      ? inOrder(count)
      : permutation(dataset.length, new RandomStream(seed, 'subset', 0))
          .subarray(0, count)
          .sort();
  return selectTexts(dataset, rows);
}
