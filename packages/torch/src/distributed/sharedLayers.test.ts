import { beforeAll, describe, expect, it } from 'vitest';
import { rankAnswers } from '../testing/ranks.js';

const program = new URL('./sharedLayers.test.child.js', import.meta.url);

interface Result {
  /** The largest differences from one process: of float32, then of float64. */
  readonly batchNorm: readonly number[];
  /** Running statistics. */
  readonly running: readonly number[];
  readonly dropout: readonly Record<string, unknown>[];
  readonly alone: { readonly own: number; readonly evaluated: number };
  readonly secondOrder: number;
}

describe.each([2, 3])('%i ranks', (size) => {
  let results: Result[];
  beforeAll(async () => {
    results = await rankAnswers(program, size);
  });

  it('normalise by all of a batch, with the outputs, gradients and running statistics of one process', () => {
    for (const { batchNorm, running } of results) {
      expect(running.length).toBeGreaterThan(20);
      expect(running).toEqual(results[0]!.running);
      const half = batchNorm.length / 2;
      expect(batchNorm.slice(0, half).map((error) => error < 1e-5)).toEqual(Array(half).fill(true));
      expect(batchNorm.slice(half).map((error) => error < 1e-12)).toEqual(Array(half).fill(true));
    }
  });

  it('normalise alone where they are to, and in evaluation', () => {
    for (const { alone } of results) expect(alone).toEqual({ own: 0, evaluated: 0 });
  });

  it('draw dropout from generators of their own, and leave the default one alone', () => {
    for (const { dropout } of results)
      expect(dropout).toEqual(
        ['dropout', 'attention', 'lstm'].map((name) => ({
          ...{ name, isUntouched: true, repeats: true, goesOn: true, isOfOwnGenerator: true, movesOutside: true },
        })),
      );
  });

  it('sum with gradients that can be differentiated again', () => {
    for (const { secondOrder } of results) expect(secondOrder).toBeLessThan(1e-12);
  });
});
