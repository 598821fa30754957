/** The part of each batch that one of several processes computes. */
export interface Share {
  /** From 0. */
  readonly rank: number;
  /** Number of ranks. */
  readonly size: number;
}

/**
 * The samples of a batch that are a rank's: one after the other, in order, parts that differ by one at most. A batch of
 * fewer samples than ranks is computed whole by each of them.
 */
export function partOfBatch(
  samples: Uint32Array<ArrayBuffer>,
  share: Share | null,
): { readonly samples: Uint32Array<ArrayBuffer>; readonly isPart: boolean } {
  if (share === null || samples.length < share.size) return { samples, isPart: false };
  const { rank, size } = share;
  const start = (of: number): number => Math.floor((of * samples.length) / size);
  return { samples: samples.slice(start(rank), start(rank + 1)), isPart: true };
}
