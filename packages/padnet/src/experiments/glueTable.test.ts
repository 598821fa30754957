import { expect, it } from 'vitest';
import { glueResults, glueRun } from './glueRuns.test.fixture.js';
import { glueTable } from './glueTable.js';

const matrix = { tasks: ['rte', 'cola'], networks: ['static', 'moe', 'pad'], seeds: [1, 2] } as const;
const results = glueResults(matrix, {
  'rte-static': [0.5, 0.75],
  'rte-moe': [0.625, 0.75],
  'rte-pad': [0.75, 1],
  'cola-static': [0.25, 0.25],
  'cola-moe': [0.5, null],
});
const table = glueTable(results);
const row = (network: string) => table.rows.find((each) => each.network === network)!;
const scores = (network: string) => row(network).cells.map(({ score }) => score);

it('gives means and sample deviations over the seeds that have finished, tasks in GLUE’s order', () => {
  expect(table.matrix.tasks).toEqual(['cola', 'rte']);
  expect(scores('static')).toEqual([
    { mean: 0.25, deviation: 0, count: 2 },
    { mean: 0.625, deviation: Math.SQRT2 / 8, count: 2 },
  ]);
  expect(scores('moe')).toEqual([
    { mean: 0.5, deviation: null, count: 1 },
    { mean: 0.6875, deviation: Math.SQRT2 / 16, count: 2 },
  ]);
  expect(scores('pad')[0]).toBeNull();
});

it('averages over tasks seed by seed, and only over all tasks', () => {
  // (0.25 + 0.5) / 2 and (0.25 + 0.75) / 2
  expect(row('static').average).toEqual({ mean: 0.4375, deviation: Math.SQRT2 / 16, count: 2 });
  expect(row('moe').average).toEqual({ mean: 0.5625, deviation: null, count: 1 });
  expect(row('pad').average).toBeNull();
  expect(table.majority).toEqual({ scores: [0.25, 0.25], average: 0.25 });
});

it('pairs differences by seed', () => {
  // Of two values whose deviation is √2/16: Student's t of one degree of freedom, 12.7062, over 16.
  const aroundMean = (mean: number): unknown =>
    [mean - 12.70620474 / 16, mean + 12.70620474 / 16].map((end) => expect.closeTo(end, 7) as number);
  // atan is t's distribution function for one degree of freedom. One seed has no p value to correct for.
  const cauchy = (t: number): unknown => expect.closeTo(1 - (2 / Math.PI) * Math.atan(t), 7);
  const [padMoe, moeStatic] = table.differences;
  expect(padMoe).toMatchObject({ network: 'pad', than: 'moe', average: null });
  expect(padMoe!.cells).toEqual([
    null,
    {
      mean: 0.1875,
      deviation: Math.SQRT2 / 16,
      count: 2,
      interval: aroundMean(0.1875),
      p: cauchy(3),
      correctedP: cauchy(3),
    },
  ]);
  expect(moeStatic!.cells).toEqual([
    { mean: 0.25, deviation: null, count: 1, interval: null, p: null, correctedP: null },
    {
      mean: 0.0625,
      deviation: Math.SQRT2 / 16,
      count: 2,
      interval: aroundMean(0.0625),
      p: cauchy(1),
      correctedP: cauchy(1),
    },
  ]);
  expect(table.differences).toHaveLength(2);
});

it('corrects over the tasks of a comparison, and averages over comparisons', () => {
  const whole = glueTable(
    glueResults(matrix, {
      'rte-static': [0.5, 0.75],
      'rte-moe': [0.625, 0.75],
      'rte-pad': [0.75, 1],
      'cola-static': [0.25, 0.25],
      'cola-moe': [0.5, 0.75],
      'cola-pad': [0.5, 1],
    }),
  );
  const corrected = whole.differences.map(({ cells, average }) => [...cells, average].map((each) => each!.correctedP));
  const cauchy = (t: number): number => 1 - (2 / Math.PI) * Math.atan(t);
  const closeTo = (p: number): unknown => expect.closeTo(p, 7);
  // t is 1 and 3, of the averages 5/3; then 3, 1 and 7.
  expect(corrected).toEqual([
    [cauchy(1), 2 * cauchy(3), cauchy(5 / 3)].map(closeTo),
    [2 * cauchy(3), cauchy(1), 2 * cauchy(7)].map(closeTo),
  ]);
});

it('counts costs over the tasks that every network has finished', () => {
  expect(table.costTasks).toEqual(['rte']);
  expect(row('pad').costs).toEqual({
    parameters: 1_000_000,
    dynamicRatio: 0.5,
    stepSeconds: 0.25,
    peakMemoryBytes: 1e9,
  });
  const slow = results.runs.map((run) =>
    run.network === 'moe' && run.seed === 2 ? { ...run, stepSeconds: 0.75, parameters: 2_000_000 } : run,
  );
  const moe = glueTable({ ...results, runs: slow }).rows[1]!;
  expect(moe.costs).toMatchObject({ stepSeconds: 0.5, parameters: 2_000_000 });
});

it('knows which seeds failed, and a table without runs', () => {
  const cell = { task: 'rte', network: 'moe', seed: 2 } as const;
  const { rows } = glueTable(glueResults(matrix, {}, [{ ...cell, message: 'killed' }]));
  expect(rows.map(({ cells }) => cells.map(({ failed }) => failed))).toEqual([
    [[], []],
    [[], [2]],
    [[], []],
  ]);
  expect(rows.every(({ average, costs }) => average === null && costs === null)).toBe(true);
});

it('does not time what has no steps', () => {
  const runs = [glueRun({ task: 'rte', network: 'static', seed: 1 }, 0.5, { stepSeconds: null })];
  const only = { tasks: ['rte'], networks: ['static'], seeds: [1] } as const;
  expect(glueTable({ ...glueResults(only, {}), runs }).rows[0]!.costs).toMatchObject({ stepSeconds: null });
});
