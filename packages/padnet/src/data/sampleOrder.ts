import { checkInteger } from './checks.js';
import { RandomStream } from './random.js';

export interface SampleOrderOptions {
  /** Number of samples, at least 0. */
  readonly length: number;
  readonly seed: number;
  readonly epoch: number;
  /** False: 0, 1, …, length − 1 in every epoch. */
  readonly shuffle: boolean;
}

/** A permutation of 0 … length − 1, drawn uniformly by Fisher and Yates' shuffle. */
export function permutation(length: number, random: RandomStream): Uint32Array<ArrayBuffer> {
  const order = inOrder(length);
  for (let i = length - 1; i > 0; i--) {
    const j = random.nextBelow(i + 1);
    const swapped = order[i]!;
    order[i] = order[j]!;
    order[j] = swapped;
  }
  return order;
}

/** 0, 1, …, length − 1. */
export function inOrder(length: number): Uint32Array<ArrayBuffer> {
  return new Uint32Array(length).map((_, i) => i);
}

/**
 * The order in which an epoch visits the samples: a permutation of 0 … length − 1, drawn uniformly from (seed,
 * epoch). Pure: the same options give the same order on every machine.
 */
export function sampleOrder({ length, seed, epoch, shuffle }: SampleOrderOptions): Uint32Array<ArrayBuffer> {
  checkInteger('length', length, 0, 2 ** 32 - 1);
  checkInteger('epoch', epoch, 0, 2 ** 32 - 1);
  return shuffle ? permutation(length, new RandomStream(seed, 'order', epoch)) : inOrder(length);
}
