import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeSafetensors, manualSeed, scope } from '@padnet/torch';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { convertToPartialMoE } from '../convert/index.js';
import { countStored } from '../layers/index.js';
import { parseTextConfig, SequenceClassifier } from '../models/index.js';
import { compactStateDict } from '../layers/index.js';
import { textDataSchema, type GlueDataOptions } from '../recipe/recipe.js';
import { glueHeading, majorityScore, storedNumbers } from './glueResults.js';

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

it('counts stored numbers as countStored does', () => {
  const config = {
    model_type: 'bert',
    vocab_size: 11,
    hidden_size: 8,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    intermediate_size: 12,
    max_position_embeddings: 6,
  };
  manualSeed(1);
  const network = new SequenceClassifier(parseTextConfig(config, 'config.json'));
  convertToPartialMoE(network, { numExperts: 3, k: 2 });
  const file = join(folder, 'model.safetensors');
  writeFileSync(
    file,
    scope(() => encodeSafetensors(compactStateDict(network))),
  );
  expect(storedNumbers(file)).toBe(countStored(network).parameters);
});

it('heads columns as GLUE does', () => {
  expect(glueHeading('sst2')).toEqual(['SST-2', 'Acc']);
  expect(glueHeading('stsb')).toEqual(['STS-B', '(P+S)/2']);
});
