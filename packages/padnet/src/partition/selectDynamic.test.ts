import { fromTypedArray, tensor } from '@padnet/torch';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { selectDynamic, type LayerScores } from './selectDynamic.js';

const layer = (scores: number[], unitSize: number | Int32Array = 1): LayerScores => ({
  scores: tensor(scores, { dtype: 'float64' }),
  unitSize,
});
const flags = (layers: LayerScores[], ratio: number, scope: 'global' | 'local'): number[][] =>
  selectDynamic(layers, ratio, scope).map((selected) => selected.toArray());

/**
 * The definition, unit by unit: ascending scores become static while they fit; then everything at or below the last.
 */
function byHand(layers: { scores: number[]; unitSize: number }[], ratio: number): boolean[][] {
  const entries = layers.reduce((sum, { scores, unitSize }) => sum + scores.length * unitSize, 0);
  let room = Math.floor((1 - ratio) * entries);
  const units = layers
    .flatMap(({ scores, unitSize }) => scores.map((score) => ({ score, unitSize })))
    .sort((a, b) => a.score - b.score);
  let threshold = -Infinity;
  for (const { score, unitSize } of units) {
    if (unitSize > room) break;
    room -= unitSize;
    threshold = score;
  }
  return layers.map(({ scores }) => scores.map((score) => score > threshold));
}

describe('selectDynamic', () => {
  it('makes the ⌊(1 − κ)n⌋ lowest entries static: one threshold for all layers, or one a layer', () => {
    const layers = [layer([0.1, 0.2, 0.3, 0.4]), layer([0.5, 0.6, 0.7, 0.8])];
    expect(flags(layers, 0.5, 'global')).toEqual([
      [0, 0, 0, 0],
      [1, 1, 1, 1],
    ]);
    expect(flags(layers, 0.5, 'local')).toEqual([
      [0, 0, 1, 1],
      [0, 0, 1, 1],
    ]);
  });

  it('makes entries equal to the threshold static too', () => {
    expect(flags([layer([0.2, 0.1, 0.2, 0.3])], 0.5, 'global')).toEqual([[0, 0, 0, 1]]);
  });

  it('keeps everything at κ = 1 and nothing at κ = 0', () => {
    expect(flags([layer([3, 1, 2])], 1, 'global')).toEqual([[1, 1, 1]]);
    expect(flags([layer([3, 1, 2])], 0, 'local')).toEqual([[0, 0, 0]]);
  });

  it('counts entries, not units, where units differ in size', () => {
    // 4 + 2 entries, three may become static: the unit of 2 with score 1 fits, then 2 of size 1
    expect(flags([layer([1, 9], 2), layer([2, 5], 1)], 0.5, 'global')).toEqual([
      [0, 1],
      [0, 1],
    ]);
  });

  it('counts the entries of each unit where they differ within a layer', () => {
    // 9 entries, 4 may become static: sizes 1 and 2 fit, then 4 does not
    const uneven = layer([3, 1, 2, 9], Int32Array.of(4, 2, 1, 2));
    expect(flags([uneven], 5 / 9, 'local')).toEqual([[1, 0, 0, 1]]);
    expect(flags([uneven, layer([0.5, 10], 1)], 5 / 11, 'global')).toEqual([
      [1, 0, 0, 1],
      [0, 1],
    ]);
  });

  it('is the definition, for any scores and sizes', () => {
    const layers = fc.array(
      fc.record({
        scores: fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 12 }),
        unitSize: fc.integer({ min: 1, max: 4 }),
      }),
      { minLength: 1, maxLength: 4 },
    );
    // Ties let the two ways differ only in units of unlike size at the threshold: make the scores distinct.
    const distinct = layers.map((list) => {
      let next = 0;
      return list.map(({ scores, unitSize }) => ({ unitSize, scores: scores.map((score) => score + next++ * 1e-3) }));
    });
    fc.assert(
      fc.property(distinct, fc.double({ min: 0, max: 1, noNaN: true }), (list, ratio) => {
        const tensors = list.map(({ scores, unitSize }) => ({
          scores: fromTypedArray(Float64Array.from(scores)),
          unitSize,
        }));
        expect(flags(tensors, ratio, 'global')).toEqual(byHand(list, ratio).map((row) => row.map(Number)));
        expect(flags(tensors, ratio, 'local')).toEqual(list.map((one) => byHand([one], ratio)[0]!.map(Number)));
      }),
    );
  });
});
