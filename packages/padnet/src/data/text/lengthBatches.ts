import { checkInteger } from '../checks.js';
import { RandomStream } from '../random.js';
import { inOrder, permutation, sampleOrder } from '../sampleOrder.js';

export interface LengthBatchesOptions {
  /** Tokens of each example. */
  readonly lengths: Uint32Array;
  readonly batchSize: number;
  readonly seed: number;
  readonly epoch: number;
  /** False: the same batches in every epoch. */
  readonly shuffle: boolean;
  /** Puts examples of like length into a batch, so that little of it is padding. */
  readonly groupByLength: boolean;
}

/** Batches whose examples are sorted together. More would pad less, but mix less from epoch to epoch. */
const POOL_BATCHES = 50;

/**
 * Which examples make up each batch of an epoch, in order; every example is in exactly one, and only one batch may be
 * smaller than the others.
 *
 * With `shuffle` and `groupByLength`, a random order is cut into pools of 50 batches, each pool sorted by length and
 * cut into batches, and the batches shuffled: a batch has like lengths, yet another company each epoch, and short
 * sentences do not come first. Without `shuffle` the whole set is sorted. Pure: the same options give the same batches.
 */
export function lengthBatches(options: LengthBatchesOptions): Uint32Array<ArrayBuffer>[] {
  const { lengths, seed, epoch, shuffle, groupByLength } = options;
  const batchSize = checkInteger('batchSize', options.batchSize, 1);
  const order = sampleOrder({ length: lengths.length, seed, epoch, shuffle });
  if (groupByLength) {
    const poolSize = shuffle ? POOL_BATCHES * batchSize : order.length;
    // Sorting is stable: equal lengths stay in random order.
    for (let start = 0; start < order.length; start += poolSize) {
      order.subarray(start, start + poolSize).sort((a, b) => lengths[a]! - lengths[b]!);
    }
  }
  const count = Math.ceil(order.length / batchSize);
  const places =
    shuffle && groupByLength ? permutation(count, new RandomStream(seed, 'batches', epoch)) : inOrder(count);
  return Array.from(places, (place) => order.slice(place * batchSize, (place + 1) * batchSize));
}
