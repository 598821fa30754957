/**
 * What layers need to know where a batch is shared out over ranks: those that look at a whole batch (batch norm, the
 * balance of experts) sum over all of them, and those that draw random numbers draw as one process would.
 */
import { customFunction } from '../autograd.js';
import { defaultGenerator, type Generator } from '../random.js';
import { scope } from '../scope.js';
import { runSynchronous } from '../synchronous.js';
import type { Tensor } from '../tensor.js';
import type { ProcessGroup } from './processGroup.js';

export interface SharedBatch {
  readonly group: ProcessGroup;
  /** Whether batch norm takes its statistics of all ranks' samples. */
  readonly syncBatchNorm: boolean;
  /** For numbers that are to differ from rank to rank, as those of dropout. */
  readonly ownGenerator: Generator;
}

let current: SharedBatch | null = null;

/** The batch that is computed now, where it is one rank's part of a batch; else null. */
export function sharedBatch(): SharedBatch | null {
  return current;
}

/** Runs `body`, forward and backward of one batch, of which each rank has a part. */
export function withSharedBatch<T>(shared: SharedBatch, body: () => T): T {
  const outer = current;
  current = shared;
  try {
    return runSynchronous('withSharedBatch', body);
  } finally {
    current = outer;
  }
}

/**
 * Runs `body`, in which random numbers are to differ from rank to rank, as those of dropout: under a shared batch with
 * the default generator where `ownGenerator` stands, and without it as it is. Afterwards the default generator stands
 * where it stood, as on all other ranks. Generators of other devices are left alone.
 */
export function withOwnRandom<T>(body: () => T): T {
  const generator = current?.ownGenerator;
  if (!generator) return body();
  const swap = (from: Generator, to: Generator): void => {
    scope(() => {
      to.setState(from.getState());
    });
  };
  const before = defaultGenerator.getState();
  swap(generator, defaultGenerator);
  try {
    return runSynchronous('withOwnRandom', body);
  } finally {
    swap(defaultGenerator, generator);
    defaultGenerator.setState(before);
    before[Symbol.dispose]();
  }
}

/** Σ over the ranks, and so is its gradient: what each rank makes of the sum counts for all of them. */
export function sumOverRanks(group: ProcessGroup, tensor: Tensor): Tensor {
  const summed = (one: Tensor): Tensor => {
    const all = one.contiguous().clone();
    group.allReduce(all).wait();
    return all;
  };
  const [sum] = customFunction<[Tensor]>({
    name: 'sumOverRanks',
    forward: (_context, input) => summed(input),
    backward: ([gradient]) => [sumOverRanks(group, gradient!)],
  })(tensor);
  return sum!;
}

/** Rows of all ranks' parts together, where this one has `rows`: their number, and the place of its first. */
export function rowsOfAll(group: ProcessGroup, rows: number): { readonly total: number; readonly start: number } {
  const all = group.gather(rows);
  const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
  return { total: sum(all), start: sum(all.slice(0, group.rank)) };
}
