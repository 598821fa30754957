import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { textDataSchema, type GlueDataOptions } from '../recipe/recipe.js';
import { majorityScore } from './glueMajority.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-glue-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function dataOf(task: string): GlueDataOptions {
  const data = textDataSchema.parse({ task, path: folder });
  if (data.name !== 'glue') throw new Error('expected data of GLUE');
  return data;
}

function write(task: string, header: string, labels: Readonly<Record<'train' | 'dev', readonly unknown[]>>): void {
  mkdirSync(join(folder, task), { recursive: true });
  for (const [split, values] of Object.entries(labels)) {
    const rows = values.map((label, row) => `${row}\ta b\tc\t${String(label)}\n`);
    writeFileSync(join(folder, task, `${split}.tsv`), `${header}\n${rows.join('')}`);
  }
}

it('scores the most frequent training label on the development set', () => {
  write('RTE', 'index\tsentence1\tsentence2\tlabel', {
    train: ['entailment', 'not_entailment', 'not_entailment'],
    dev: ['entailment', 'entailment', 'entailment', 'not_entailment'],
  });
  expect(majorityScore({ data: dataOf('rte') })).toEqual({
    task: 'rte',
    answer: 'not_entailment',
    score: 0.25,
    metrics: { accuracy: 0.25 },
  });
});

it('answers the mean where labels are scores, which correlates with nothing', () => {
  write('STS-B', 'index\tsentence1\tsentence2\tscore', { train: [1, 2, 4.5], dev: [0, 1, 5] });
  expect(majorityScore({ data: dataOf('stsb') })).toEqual({
    task: 'stsb',
    answer: '2.50',
    score: 0,
    metrics: { pearson: 0, spearman: 0 },
  });
});
