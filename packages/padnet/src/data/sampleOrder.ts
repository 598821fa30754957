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

/**
 * The order in which an epoch visits the samples: a permutation of 0 … length − 1, drawn uniformly by Fisher and Yates'
 * shuffle from (seed, epoch). Pure: the same options give the same order on every machine.
 */
export function sampleOrder({ length, seed, epoch, shuffle }: SampleOrderOptions): Uint32Array<ArrayBuffer> {
  checkInteger('length', length, 0, 2 ** 32 - 1);
  checkInteger('epoch', epoch, 0, 2 ** 32 - 1);
  const order = new Uint32Array(length);
  for (let i = 0; i < length; i++) order[i] = i;
  if (!shuffle) return order;
  const random = new RandomStream(seed, 'order', epoch);
  for (let i = length - 1; i > 0; i--) {
    const j = random.nextBelow(i + 1);
    const swapped = order[i]!;
    order[i] = order[j]!;
    order[j] = swapped;
  }
  return order;
}
