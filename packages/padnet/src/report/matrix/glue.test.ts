import { expect, it } from 'vitest';
import { glueResults, glueRun } from '../../experiments/glueRuns.test.fixture.js';
import { glueTable, type GlueResults } from '../../experiments/index.js';
import { type GlueDocument, glueReport } from './glueReport.js';
import { glueText } from './glueText.js';

const results = glueResults(
  { tasks: ['cola', 'mrpc'], networks: ['static', 'moe', 'pad'], seeds: [1, 2, 3] },
  {
    'cola-static': [0.4, 0.42, 0.44],
    'cola-moe': [0.41, 0.43, 0.42],
    'cola-pad': [0.45, 0.47, 0.47],
    'mrpc-static': [0.8, 0.82, 0.84],
    'mrpc-moe': [0.8, 0.86, null],
    'mrpc-pad': [0.7, null, null],
  },
  [{ task: 'mrpc', network: 'pad', seed: 2, message: 'the loss | is not finite' }],
);
const text = glueText(results, glueTable(results));
const origin = { command: 'padnet glue --tasks cola,mrpc', date: new Date('2026-01-02T03:04:05Z') };

const report = glueReport(results, [], origin);
const contentOf = (label: string): string => report.files.find((file) => file.label === label)!.content;

const lines = (of: GlueResults): string[] => glueReport(of, [], origin).text.split('\n');

it('is a table of means and deviations, × 100', () => {
  expect(lines(results).slice(0, 8)).toEqual([
    'Network                       CoLA Mcc     MRPC (F1+Acc)/2     Average 2 tasks',
    '───────────────────  ─────────────────  ──────────────────  ──────────────────',
    'majority class                    25.0                25.0                25.0',
    'static                      42.0 ± 2.0          82.0 ± 2.0          62.0 ± 2.0',
    'MoE, 2 of 4 experts         42.0 ± 1.0      83.0 ± 4.2 (2)      62.5 ± 2.8 (2)',
    'PAD, κ = 0.5                46.3 ± 1.2  70.0 (1, 1 failed)            57.5 (1)',
    'PAD − MoE            +4.3 [2.9, 5.8] *               −10.0                −3.0',
    'MoE − static           0.0 [−4.3, 4.3]  +2.0 [−23.4, 27.4]  +1.5 [−11.2, 14.2]',
  ]);
  expect(lines(results).join('\n')).toMatch(/^PAD, κ = 0\.5 +1\.00 M +50\.0 % +250 ms +1\.00 GB$/m);
});

it('says plainly which differences are beyond chance', () => {
  expect(text.findings).toEqual([
    'PAD against MoE: higher on CoLA; one seed only, so no spread to compare with, on MRPC.',
    'MoE against static: not told apart on CoLA, MRPC.',
  ]);
  const whole = glueResults(
    { tasks: ['cola', 'rte'], networks: ['static', 'scratch'], seeds: [1] },
    { 'cola-static': [0.5], 'cola-scratch': [-0.01], 'rte-static': [0.6], 'rte-scratch': [0.55] },
  );
  expect(glueText(whole, glueTable(whole)).findings).toEqual([
    'Average of 2 tasks: scratch 27.0, static 55.0; majority class 25.0.',
    'Static against scratch: one seed only, so no spread to compare with, on CoLA, RTE.',
  ]);
});

it('marks the best mean of a column', () => {
  expect(text.costs.rows.map(({ scores }) => scores.map(({ best }) => best))).toEqual([
    [false, false, false],
    [false, true, true],
    [true, false, false],
  ]);
});

it('tells what has to be known', () => {
  const notes = text.notes.join('\n');
  expect(notes).toContain('over seeds 1, 2, 3. Where a task has two metrics, their mean');
  expect(notes).toContain('how many of 3 seeds have finished');
  expect(notes).toContain('its 95 % interval (Student’s t)');
  expect(notes).toContain('Failed: MRPC, PAD, seed 2: the loss | is not finite');
  const cell = { task: 'cola', network: 'static', seed: 1 } as const;
  const run = glueRun(cell, 0.5);
  const { recipe } = run;
  const limited = {
    ...recipe,
    data: { ...recipe.data, trainLimit: 2000 },
    training: { ...recipe.training, epochScore: 'test' as const, earlyStopping: { patience: 2 } },
  };
  const one = glueResults({ tasks: ['cola'], networks: ['static'], seeds: [1] }, {});
  const said = lines({ ...one, runs: [{ ...run, recipe: limited }] });
  expect(said).toContain('Trained on a fixed sample: 2,000 rows of CoLA.');
  expect(said.join('\n')).toContain('so these scores are optimistic: CoLA.');
  expect(said[0]).not.toContain('Average');
});

it('is Markdown with the same cells, escaped, and says what made it', () => {
  const markdown = contentOf('table');
  expect(markdown).toContain('| static | 42.0 ± 2.0 | 82.0 ± 2.0 | 62.0 ± 2.0 | 1.00 M | 0.0 % | 250 ms | 1.00 GB |\n');
  expect(markdown).toContain('| PAD − MoE | +4.3 [2.9, 5.8] \\* | −10.0 | −3.0 |  |  |  |  |\n');
  expect(markdown).toContain('the loss \\| is not finite');
  expect(markdown).toContain('Made by `padnet glue --tasks cola,mrpc`, 2026-01-02.');
  const widths = markdown.split('\n').filter((line) => line.startsWith('|'));
  expect(new Set(widths.map((line) => line.split(/(?<!\\)\|/).length)).size).toBe(1);
});

it('is JSON with every run', () => {
  const document = JSON.parse(contentOf('numbers')) as GlueDocument;
  expect(document.date).toBe('2026-01-02T03:04:05.000Z');
  expect(document.runs).toHaveLength(15);
  expect(document).toMatchObject({
    matrix: { tasks: ['cola', 'mrpc'] },
    rows: [{ network: 'static' }, { network: 'moe' }, { network: 'pad' }],
    failed: [{ task: 'mrpc', seed: 2 }],
  });
});

it('is a page that needs nothing else, whatever runs are called', () => {
  const pageOf = (of: GlueResults, command = origin.command): string =>
    glueReport(of, [], { ...origin, command }).files.find(({ label }) => label === 'page')!.content;
  const page = pageOf(results, 'padnet glue --out <b>');
  expect(page).toMatch(/^<!doctype html>/);
  expect(page).not.toMatch(/<script|(?:src|href)="https?:/);
  expect(page).toContain('padnet glue --out &lt;b&gt;');
  expect(page.match(/<figure>/g)).toHaveLength(2);
  expect(page).toContain('MoE, seed 2: 86.0');
  expect(pageOf({ ...results, runs: [] })).not.toContain('<figure>');
});
