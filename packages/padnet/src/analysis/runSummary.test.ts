import { describe, expect, it } from 'vitest';
import { runSummary } from './runSummary.js';
import { counts, epoch, finished, partitionDone, recipe, step } from './runs.test.fixture.js';

describe('runSummary', () => {
  it('takes the outcome from the finished event and sizes from the counts', () => {
    const layers = [
      { path: 'a', entries: 30, dynamicEntries: 10, filterShares: [1, 0, 0] },
      { path: 'b', entries: 10, dynamicEntries: 2, filterShares: [0.2] },
    ];
    const summary = runSummary({
      name: 'mine',
      recipe: recipe('partial'),
      events: [epoch(1, 0.5), partitionDone, epoch(2, 0.75), finished(0.8, 2e9, 33)],
      counts: counts(1234, 5678, layers),
      testSamples: 100,
    });
    expect(summary).toMatchObject({
      name: 'mine',
      layer: 'partial',
      finished: true,
      score: 0.8,
      testLoss: 0.25,
      testSamples: 100,
      kappa: { target: 0.3, reached: 12 / 40 },
      parameters: 1234,
      maskBits: 40,
      macs: 5678,
      peakMemoryBytes: 2e9,
      trainingSeconds: 33,
      partitionEpoch: 1,
    });
    expect(summary.curve.map(({ epoch: index, score }) => [index, score])).toEqual([
      [1, 0.5],
      [2, 0.75],
    ]);
    expect(JSON.parse(JSON.stringify(summary))).toEqual(summary);
  });

  it('gives κ of 0 to a static and of 1 to a dynamic network', () => {
    const layers = [{ path: 'a', entries: 5, dynamicEntries: 5, filterShares: [1] }];
    const options = { name: 'x', events: [] };
    expect(runSummary({ ...options, recipe: recipe('static'), counts: counts(1, 1) }).kappa).toEqual({
      target: 0,
      reached: 0,
    });
    expect(runSummary({ ...options, recipe: recipe('dynamic'), counts: counts(1, 1, layers) }).kappa).toEqual({
      target: 1,
      reached: 1,
    });
  });

  it('of an unfinished run, gives the last epoch and nulls for what only the end tells', () => {
    const summary = runSummary({ name: 'x', recipe: recipe('static'), events: [epoch(1, 0.5)], counts: counts(1, 1) });
    expect(summary).toMatchObject({ finished: false, score: 0.5, peakMemoryBytes: null, stepSeconds: null });
    const fresh = runSummary({ name: 'x', recipe: recipe('static'), events: [], counts: counts(1, 1) });
    expect(fresh).toMatchObject({ score: null, testLoss: null, curve: [], partitionEpoch: null });
  });

  it('leaves the first five steps out of the median', () => {
    const seconds = [9, 9, 9, 9, 9, 0.2, 0.1, 0.4];
    const events = seconds.map((value, index) => step(index + 1, value));
    const summary = runSummary({ name: 'x', recipe: recipe('static'), events, counts: counts(1, 1) });
    expect(summary.stepSeconds).toBe(0.2);
    expect(summary.samplesPerSecond).toBe(500);
  });

  it('times a partial network after its partition', () => {
    const events = [
      step(1, 5),
      step(2, 5),
      partitionDone,
      ...[9, 9, 9, 9, 9, 1, 3].map((value, i) => step(3 + i, value)),
    ];
    expect(runSummary({ name: 'x', recipe: recipe('partial'), events, counts: counts(1, 1) }).stepSeconds).toBe(2);
  });

  it('of what a resumed run tells twice, keeps the later', () => {
    const events = [epoch(1, 0.1), epoch(2, 0.2), epoch(2, 0.3)];
    const { curve } = runSummary({ name: 'x', recipe: recipe('static'), events, counts: counts(1, 1) });
    expect(curve.map(({ score }) => score)).toEqual([0.1, 0.3]);
  });
});
