import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, it } from 'vitest';

import { InputError } from '../../errors.js';
import { glueTaskNames } from './glueTasks.js';
import { writeSubmission } from './submission.js';

const root = mkdtempSync(join(tmpdir(), 'padnet-submission-'));
afterAll(() => {
  rmSync(root, { recursive: true });
});
const read = (file: string): string => readFileSync(file, 'utf8');

describe('writeSubmission', () => {
  it('writes labels as the task does', () => {
    const folder = join(root, 'labels');
    expect(read(writeSubmission(folder, 'rte', [1, 0]))).toBe('index\tprediction\n0\tnot_entailment\n1\tentailment\n');
    expect(read(writeSubmission(folder, 'cola', Float32Array.of(1, 0)))).toBe('index\tprediction\n0\t1\n1\t0\n');
    expect(read(writeSubmission(folder, 'wnli', [1]))).toBe('index\tprediction\n0\t1\n');
    const mismatched = writeSubmission(folder, 'mnli', [2], { mismatched: true, indices: ['9815'] });
    expect(mismatched).toBe(join(folder, 'MNLI-mm.tsv'));
    expect(read(mismatched)).toBe('index\tprediction\n9815\tcontradiction\n');
  });

  it('clips scores and writes three decimals', () => {
    const file = writeSubmission(root, 'stsb', [-0.2, 2.34567, 7, 5]);
    expect(read(file)).toBe('index\tprediction\n0\t0.000\n1\t2.346\n2\t5.000\n3\t5.000\n');
  });

  it("uses GLUE's file names", () => {
    const folder = join(root, 'names');
    for (const task of glueTaskNames) writeSubmission(folder, task, [0]);
    writeSubmission(folder, 'mnli', [0], { mismatched: true });
    expect(readdirSync(folder).sort()).toEqual(
      'CoLA MNLI-m MNLI-mm MRPC QNLI QQP RTE SST-2 STS-B WNLI'.split(' ').map((name) => `${name}.tsv`),
    );
  });

  it('names a prediction that cannot be, and writes nothing', () => {
    const folder = join(root, 'bad');
    const expectError = (write: () => void, message: string): void => {
      expect(write).toThrow(InputError);
      expect(write).toThrow(message);
    };
    expectError(() => writeSubmission(folder, 'rte', [0, 2]), 'rte: prediction 1 is 2, expected a class index below 2');
    expectError(
      () => writeSubmission(folder, 'rte', [0.5]),
      'rte: prediction 0 is 0.5, expected a class index below 2',
    );
    for (const value of [NaN, Infinity, -Infinity]) {
      expectError(
        () => writeSubmission(folder, 'stsb', [1, value]),
        `stsb: prediction 1 is ${value}, expected a number`,
      );
    }
    expectError(
      () => writeSubmission(folder, 'rte', [0], { indices: ['0', '1'] }),
      'rte: expected a prediction for each of 2 examples, got 1',
    );
    expectError(() => writeSubmission(folder, 'rte', [0], { mismatched: true }), 'rte has no mismatched test set');
    expect(readdirSync(root)).not.toContain('bad');
  });
});
