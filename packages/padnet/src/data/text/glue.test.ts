import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { InputError } from '../../errors.js';
import { loadGlue } from './glue.js';
import { type GlueTaskName, glueTaskNames } from './glueTasks.js';
import type { TextDataset } from './textDataset.js';

/** Samples of the original files, where they lie beside the repository. */
const sharedFiles = '../shared/data/glue';

let path: string;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'padnet-glue-'));
});
afterEach(() => {
  rmSync(path, { recursive: true });
});

function write(name: string, lines: readonly string[]): void {
  const file = join(path, name);
  mkdirSync(join(file, '..'), { recursive: true });
  const text = lines.join('\n') + '\n';
  writeFileSync(file, name.endsWith('.gz') ? gzipSync(text) : text);
}

function expectError(task: GlueTaskName, message: string): void {
  const load = () => loadGlue({ task, path });
  expect(load).toThrow(InputError);
  expect(load).toThrow(message);
}

const mnliColumns =
  'index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\tsentence2_parse\t' +
  'sentence1\tsentence2';

/** Header and one line of each task's train and test file, as in the original. */
const originals: Record<GlueTaskName, { folder: string; train: string[]; test: string[]; label: number }> = {
  cola: { folder: 'CoLA', train: ['gj04\t0\t*\tA B'], test: ['index\tsentence', '0\tA B'], label: 0 },
  sst2: { folder: 'SST-2', train: ['sentence\tlabel', 'A B\t1'], test: ['index\tsentence', '0\tA B'], label: 1 },
  mrpc: {
    folder: 'MRPC',
    train: ['\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String', '1\t7\t8\tA B\tC'],
    test: ['\ufeffindex\t#1 ID\t#2 ID\t#1 String\t#2 String', '0\t7\t8\tA B\tC'],
    label: 1,
  },
  stsb: {
    folder: 'STS-B',
    train: [
      'index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore',
      '0\tmain\tMSR\t2012\t1\tnone\tnone\tA B\tC\t3.750',
    ],
    test: [
      'index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2',
      '0\tmain\tMSR\t2012\t1\tnone\tnone\tA B\tC',
    ],
    label: 3.75,
  },
  qqp: {
    folder: 'QQP',
    train: ['id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate', '9\t1\t2\tA B\tC\t1'],
    test: ['id\tquestion1\tquestion2', '0\tA B\tC'],
    label: 1,
  },
  mnli: {
    folder: 'MNLI',
    train: [`${mnliColumns}\tlabel1\tgold_label`, '0\t1\t2\tx\t()\t()\t()\t()\tA B\tC\tneutral\tcontradiction'],
    test: [mnliColumns, '0\t1\t2\tx\t()\t()\t()\t()\tA B\tC'],
    label: 2,
  },
  qnli: {
    folder: 'QNLI',
    train: ['index\tquestion\tsentence\tlabel', '0\tA B\tC\tnot_entailment'],
    test: ['index\tquestion\tsentence', '0\tA B\tC'],
    label: 1,
  },
  rte: {
    folder: 'RTE',
    train: ['index\tsentence1\tsentence2\tlabel', '0\tA B\tC\tentailment'],
    test: ['index\tsentence1\tsentence2', '0\tA B\tC'],
    label: 0,
  },
  wnli: {
    folder: 'WNLI',
    train: ['index\tsentence1\tsentence2\tlabel', '0\tA B\tC\t1'],
    test: ['index\tsentence1\tsentence2', '0\tA B\tC'],
    label: 1,
  },
};

/** Rows, and SHA-256 (first digits) of `first \t second \t label \n` of each, of the files beside the repository. */
const shared: Record<GlueTaskName, [train: [number, string], dev: [number, string]]> = {
  cola: [
    [8551, '0ff3c64074c932ac'],
    [1043, 'e7d29c19d2e866d7'],
  ],
  sst2: [
    [67_349, '10a92a297ec38e26'],
    [872, '9a6c7403b71a9b76'],
  ],
  mrpc: [
    [3668, '4457c9b1342d0eec'],
    [408, '64cc7bebce9c7f6e'],
  ],
  stsb: [
    [5749, '5ecfe9b6a620a5d9'],
    [1500, '9ef4efcb3f376327'],
  ],
  qqp: [
    [20_000, '9f879613240b6aaa'],
    [3496, 'f8ee83d739994450'],
  ],
  mnli: [
    [8999, '13ec85c3550c7c3e'],
    [1000, '5554b959c2331b78'],
  ],
  qnli: [
    [9999, '65bd489ffc436b01'],
    [5463, '1cd7604e0e3ff727'],
  ],
  rte: [
    [2490, 'aca446c58790fd38'],
    [277, 'c9957e062ba25a2c'],
  ],
  wnli: [
    [635, '3ea954202aeb3ab8'],
    [71, '3b943727525448d2'],
  ],
};

function checksum({ first, second, labels, classNames }: TextDataset): string {
  const hash = createHash('sha256');
  first.forEach((sentence, row) => {
    const label = labels![row]!.toFixed(classNames ? 0 : 3);
    hash.update([sentence, ...(second ? [second[row]!] : []), label].join('\t') + '\n');
  });
  return hash.digest('hex').slice(0, 16);
}

describe('loadGlue', () => {
  it.each(glueTaskNames)('reads the original layout of %s', (task) => {
    const { folder, train, test, label } = originals[task];
    write(`${folder}/train.tsv`, train);
    write(`${folder}/dev.tsv.gz`, train);
    write(`${folder}/test.tsv`, test);
    const data = loadGlue({ task, path });
    const isSingle = task === 'cola' || task === 'sst2';
    const sentences = { length: 1, first: ['A B'], second: isSingle ? null : ['C'], classNames: data.classNames };
    const labels = Float32Array.of(label);
    expect(data.train).toEqual({ ...sentences, name: `${folder}/train`, labels });
    expect(data.dev).toEqual({ ...sentences, name: `${folder}/dev`, labels });
    expect(data.test).toEqual({ ...sentences, name: `${folder}/test`, labels: null, indices: ['0'] });
    expect(data.classNames?.length).toBe(task === 'stsb' ? undefined : task === 'mnli' ? 3 : 2);
    expect([data.devMismatched, data.testMismatched]).toEqual([null, null]);
  });

  it.skipIf(!existsSync(sharedFiles)).each(glueTaskNames)('reads the files of %s beside the repository', (task) => {
    const { train, dev, test } = loadGlue({ task, path: sharedFiles });
    expect([train, dev].map((split) => [split.length, checksum(split)])).toEqual(shared[task]);
    expect(test).toBeNull();
  });

  it("reads MNLI's matched and mismatched sets", () => {
    const { train, test } = originals.mnli;
    for (const name of ['train', 'dev_matched', 'dev_mismatched']) write(`MNLI/${name}.tsv`, train);
    for (const name of ['test_matched', 'test_mismatched']) write(`MNLI/${name}.tsv`, test);
    const data = loadGlue({ task: 'mnli', path });
    expect([data.dev, data.devMismatched, data.test, data.testMismatched].map((split) => split?.name)).toEqual([
      'MNLI/dev',
      'MNLI/dev_mismatched',
      'MNLI/test',
      'MNLI/test_mismatched',
    ]);
  });

  it('prefers plain files, and official names', () => {
    const [header] = originals.rte.train as [string];
    for (const name of ['train.tsv', 'dev.tsv']) write(`RTE/${name}`, [header, '0\tplain\tC\tentailment']);
    write('RTE/train.tsv.gz', [header, '0\tgzipped\tC\tentailment']);
    expect(loadGlue({ task: 'rte', path }).train.first).toEqual(['plain']);
  });

  it('names file and line of an unknown label, and what it may be', () => {
    const [header, line] = originals.rte.train as [string, string];
    write('RTE/train.tsv', [header, line, '1\tA\tB\tcontradiction']);
    expectError(
      'rte',
      `${join(path, 'RTE/train.tsv')}: line 3: label is "contradiction", expected entailment or not_entailment`,
    );
    write('CoLA/train.tsv', ['gj04\t1\t\tA', 'gj04\t2\t\tB']);
    expectError('cola', 'train.tsv: line 2: label is "2", expected 0 or 1; correct the line');
  });

  it.each(['-0.1', '5.01', '', ' ', 'four', 'NaN'])('refuses the score "%s"', (score) => {
    const [header, line] = originals.stsb.train as [string, string];
    write('STS-B/train.tsv', [header, line.replace('3.750', score)]);
    expectError('stsb', `train.tsv: line 2: score is "${score}", expected a score from 0 to 5; correct the line`);
  });

  it('takes scores of 0 and 5', () => {
    const [header, line] = originals.stsb.train as [string, string];
    const lines = [header, line.replace('3.750', '0'), line.replace('3.750', '5.000')];
    for (const name of ['train', 'dev']) write(`STS-B/${name}.tsv`, lines);
    expect([...loadGlue({ task: 'stsb', path }).dev.labels!]).toEqual([0, 5]);
  });

  it('names a column that is missing', () => {
    write('RTE/train.tsv', ['index\tsentence1\tsentence2', '0\tA\tB']);
    expectError('rte', 'train.tsv: line 1 names no column label, expected it among index, sentence1, sentence2');
  });

  it('says what it looks for, and where to get it', () => {
    expectError('rte', `${join(path, 'RTE')}: expected train.tsv[.gz], there is no such folder; get GLUE at https://`);
    write('MNLI/train.tsv', originals.mnli.train);
    expectError(
      'mnli',
      `${join(path, 'MNLI')}: expected dev_matched.tsv[.gz] or dev.tsv[.gz], it is not there; get GLUE`,
    );
  });
});
