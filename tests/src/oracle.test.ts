/** Every number of the oracle; `FIXTURES` points at other files of the same generator. */
import { describe, expect, it } from 'vitest';
import { verifyDyconv } from './oracle/dyconv.js';
import { largestError, type Comparison } from './oracle/fixtures.js';
import { verifyMoE } from './oracle/moe.js';
import { verifyMetrics } from './oracle/metrics.js';
import { verifyPartition } from './oracle/partition.js';
import { verifyRouters } from './oracle/routers.js';
import { hasTransformers, verifyTransformers } from './oracle/transformers.js';
import { verifyVision } from './oracle/vision.js';
import { tensor } from '@padnet/torch';

function beyond(comparisons: readonly Comparison[]): Comparison[] {
  return comparisons.filter(({ error, bound }) => !(error <= bound));
}

describe('the oracle', () => {
  it('agrees on dynamic and partially dynamic convolutions', () => {
    const comparisons = verifyDyconv();
    expect(comparisons.length).toBeGreaterThan(500);
    expect(beyond(comparisons)).toEqual([]);
  });

  it('agrees on CondConv and ODConv, dynamic and partial, in training and evaluation', () => {
    const comparisons = verifyRouters();
    expect(comparisons.length).toBeGreaterThan(500);
    expect(beyond(comparisons)).toEqual([]);
  });

  it('agrees on Iterative Mode Partition: scores, thresholds, masks', async () => {
    const comparisons = await verifyPartition();
    expect(comparisons.length).toBeGreaterThan(100);
    expect(beyond(comparisons)).toEqual([]);
  });

  it('agrees on MoE and partial MoE linear layers', () => {
    const comparisons = verifyMoE();
    expect(comparisons.length).toBeGreaterThan(400);
    expect(beyond(comparisons)).toEqual([]);
  });

  it("agrees on torchvision's networks", () => {
    expect(beyond(verifyVision())).toEqual([]);
  });

  it.skipIf(!hasTransformers)("agrees on Hugging Face's text encoders", () => {
    const comparisons = verifyTransformers();
    expect(comparisons.length).toBeGreaterThan(100);
    expect(beyond(comparisons)).toEqual([]);
  });

  it("agrees on GLUE's metrics", () => {
    const comparisons = verifyMetrics();
    expect(comparisons.length).toBeGreaterThan(0);
    expect(beyond(comparisons)).toEqual([]);
  });

  it('would notice: wrong values, shapes and NaN are errors', () => {
    expect(largestError(tensor([1, 2]), { shape: [2], data: [1, 2.5] })).toBeCloseTo(0.2);
    expect(largestError(tensor([1, 2]), { shape: [1, 2], data: [1, 2] })).toBe(Infinity);
    expect(largestError(tensor([NaN]), { shape: [1], data: [1] })).toBe(Infinity);
    expect(largestError(null, { shape: [1], data: [1] })).toBe(Infinity);
  });
});
