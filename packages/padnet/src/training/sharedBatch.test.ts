/** Networks whose batch is shared out over ranks are trained as by one process. */
import { beforeAll, describe, expect, it } from 'vitest';
import { rankAnswers } from '@padnet/torch/testing';

const program = new URL('./sharedBatch.test.child.js', import.meta.url);

type Cases = Readonly<Record<string, { readonly error: number; readonly random: boolean }>>;

interface Result {
  readonly pictures: { readonly float32: Cases; readonly float64: Cases };
  readonly texts: { readonly float32: Cases; readonly float64: Cases };
  /** `seen`: the share of each picture in each, [pictures, pictures] */
  readonly mixing: readonly { readonly seen: readonly number[]; readonly loss: number; readonly next: number }[];
  readonly statisticsOfNone: unknown;
}

describe.each([2, 3])('%i ranks', (size) => {
  let results: Result[];
  beforeAll(async () => {
    results = await rankAnswers(program, size, { arguments: size > 2 ? ['short'] : [] });
  }, 60_000);

  it.each(['pictures', 'texts'] as const)('%s: losses, gradients, buffers and statistics of one process', (kind) => {
    for (const result of results) {
      const { float32, float64 } = result[kind];
      expect(Object.keys(float32)).toHaveLength(size > 2 ? 1 : 4);
      for (const [cases, tolerance] of [
        [float32, 1e-5],
        [float64, 1e-12],
      ] as const)
        // prettier-ignore
        for (const [name, { error, random }] of Object.entries(cases))
          expect({ name, error: error < tolerance ? 0 : error, random }).toEqual({ name, error: 0, random: true });
    }
  });

  it('mixes pictures alike on all ranks, each with those of its own', () => {
    const draws = results[0]!.mixing.length;
    const kinds = new Set<number>();
    for (let draw = 0; draw < draws; draw++) {
      const each = results.map(({ mixing }) => mixing[draw]!);
      expect(new Set(each.map(({ next }) => next)).size).toBe(1);
      const shares = each.flatMap(({ seen }, rank) => {
        const count = rank + 3;
        expect(seen).toHaveLength(count * count);
        for (let row = 0; row < count; row++) {
          const ofRow = seen.slice(row * count, (row + 1) * count);
          expect(ofRow.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 5);
        }
        const own = seen.filter((_, index) => index % (count + 1) === 0);
        return own.filter((share) => share < 1);
      });
      for (const share of shares) expect(share).toBeCloseTo(shares[0]!, 5);
      if (shares.length > 0) kinds.add(shares[0]!);
    }
    expect(kinds.size).toBe(draws);
  });

  it('has no statistics of no row, and those of the others where one rank has none', () => {
    for (const { statisticsOfNone } of results)
      expect(statisticsOfNone).toEqual([null, { auxiliaryLoss: 0.25, gateEntropy: 1, loadEntropy: 1 }]);
  });
});
