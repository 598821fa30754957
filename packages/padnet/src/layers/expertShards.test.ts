/** Mixtures whose experts are shared out over ranks give the numbers of one process. */
import { beforeAll, describe, expect, it } from 'vitest';
import { rankAnswers } from '@padnet/torch/testing';
import { expertsOfRank } from '../compute/exchangedExperts.js';

const program = new URL('./expertShards.test.child.js', import.meta.url);

interface Result {
  /** The largest difference from one process by case. */
  readonly layers: Readonly<Record<string, number>>;
  readonly training: {
    readonly error: number;
    readonly norms: number;
    readonly clipped: boolean;
    /** Shapes of the parameters that are shared out. */
    readonly shares: readonly number[][];
  };
  readonly whole: unknown;
}

it('shares out experts in order, to every rank some', () => {
  for (const [numExperts, size] of [
    [5, 2],
    [5, 3],
    [8, 8],
    [7, 4],
  ] as const)
    // prettier-ignore
    for (let rank = 0; rank < size; rank++) {
      const { start, count } = expertsOfRank(numExperts, rank, size);
      const own = Array.from({ length: numExperts }, (_, expert) => expert).filter(
        (expert) => Math.floor((expert * size) / numExperts) === rank,
      );
      expect(Array.from({ length: count }, (_, index) => start + index)).toEqual(own);
      expect(count).toBeGreaterThan(0);
    }
});

describe.each([2, 3])('%i ranks', (size) => {
  let results: Result[];
  beforeAll(async () => {
    results = await rankAnswers(program, size);
  }, 60_000);

  it('gives the outputs and gradients of whole layers, of every source, plan and routing', () => {
    for (const { layers } of results) {
      expect(Object.keys(layers)).toHaveLength(29);
      for (const [name, error] of Object.entries(layers))
        expect({ name, error: error < 1e-12 ? 0 : error }).toEqual({ name, error: 0 });
    }
  });

  it('trains as whole layers, with clipping, momentum and a state that others can go on from', () => {
    for (const [rank, { training }] of results.entries()) {
      const { count } = expertsOfRank(5, rank, size);
      expect(training.shares.map(([experts]) => experts)).toEqual([count, count, count]);
      expect(training.clipped).toBe(true);
      expect(training.error).toBeLessThan(1e-12);
      expect(training.norms).toBeLessThan(1e-12);
    }
  });

  it('is whole for a while, and says why it has to be', () => {
    for (const { whole } of results)
      expect(whole).toEqual({
        during: true,
        after: true,
        isShared: true,
        sameObject: true,
        message:
          'the experts of a mixture are shared out over ranks, which have no batch together here; gather them first',
        partition: 'the experts of a mixture are shared out over ranks; gather them before the partition',
        twice: 'the experts of a mixture are shared out over ranks; gather them before they are shared out again',
        refusal:
          `the layer has fewer experts (1) than there are ranks (${size}) to share them out over; ` +
          'start fewer, or set training.distributed.shardExperts: false',
      });
  });
});
