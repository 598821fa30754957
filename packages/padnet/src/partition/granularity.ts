/**
 * What becomes static as one: the paper's single entry, or coarser units that turn fewer dynamic entries into less time. A
 * unit's saliency is the sum of its entries', taken before the absolute value (method.md §3).
 */
import type { Tensor } from '@padnet/torch';
import { numEntries } from '../partial/index.js';

export const granularities = ['entry', 'kernel', 'filter'] as const;

/** `kernel`: one [kernelHeight, kernelWidth] slice; `filter`: one output channel. */
export type Granularity = (typeof granularities)[number];

/** Entries in one unit of a weight [outChannels, inChannels / groups, kernelHeight, kernelWidth]. */
export function unitSize(shape: readonly number[], granularity: Granularity): number {
  switch (granularity) {
    case 'entry':
      return 1;
    case 'kernel':
      return numEntries(shape.slice(2));
    case 'filter':
      return numEntries(shape.slice(1));
  }
}

/** Signed scores of the entries → |sum| of each unit [units]. */
export function unitScores(entryScores: Tensor, granularity: Granularity): Tensor {
  return entryScores
    .reshape([-1, unitSize(entryScores.shape, granularity)])
    .sum([1])
    .abs();
}
