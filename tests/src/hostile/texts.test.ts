/** Files of texts that are damaged or not what they seem are told of in one line; a score that is no number is none. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { loadSafetensors, ops, saveSafetensors } from '@padnet/torch';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { padnet } from '../padnetProcess.js';
import { writeTinyEncoder, writeTinyGlue } from '../tinyGlue.js';
import { commandResults } from './commandResults.js';

let cwd: string;
const write = (name: string, text: string | Uint8Array): void => {
  writeFileSync(join(cwd, name), text);
};
const recipe = (data: string): string =>
  `modality: text\nmodel: { pretrained: encoder }\ndata: { ${data}, batchSize: 8 }\ntraining: { epochs: 1 }\n`;

beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'padnet-hostile-texts-'));
  writeTinyEncoder(join(cwd, 'encoder'));
  writeTinyGlue(join(cwd, 'glue'));
  write('own.yaml', recipe('name: text, path: whole.csv'));
  write('stsb.yaml', recipe('name: glue, path: glue, task: stsb'));
});
afterAll(() => {
  rmSync(cwd, { recursive: true });
});

it('files of texts that cannot be read are named with line and way out, and nothing is left', () => {
  const rows = Array.from({ length: 20 }, (_, row) => `good film,${row % 2 ? 'yes' : 'no'}`);
  const csv = ['text,label', ...rows, ''].join('\n');
  const files: Record<string, [content: string | Uint8Array, message: RegExp]> = {
    'nothing.csv': ['', /nothing\.csv/],
    'heading.csv': ['text,label\n', /heading\.csv/],
    'quote.csv': [csv.replace('good film', '"good film'), /quote\.csv: line 2/],
    'short.csv': [csv.replace('good film,yes', 'good film'), /short\.csv: line 3/],
    'twice.csv': [csv.replace('text,label', 'text,text'), /twice\.csv: line 1/],
    'alike.csv': [csv.replaceAll(',no', ',yes'), /alike\.csv/],
    'latin.csv': [Buffer.from(csv.replaceAll('good', 'süß'), 'latin1'), /latin\.csv/],
    'wide.csv': [Buffer.from(`\ufeff${csv}`, 'utf16le'), /wide\.csv/],
    'cut.csv': [gzipSync(csv).subarray(0, -4), /cut\.csv/],
    'cut.jsonl': ['{"text": "good", "label": "yes"}\n{"text": "ba', /cut\.jsonl: line 2/],
    'list.jsonl': ['["good", "yes"]\n', /list\.jsonl: line 1/],
    'null.jsonl': ['{"text": "bad", "label": "no"}\n{"text": null, "label": "yes"}\n', /null\.jsonl: line 2/],
  };
  for (const [name, [content]] of Object.entries(files)) write(name, content);
  execFileSync('mkfifo', [join(cwd, 'pipe.csv')]);
  symlinkSync('loop.csv', join(cwd, 'loop.csv'));
  symlinkSync('/dev/zero', join(cwd, 'zeros.csv'));
  mkdirSync(join(cwd, 'hollow'));
  const messages: Record<string, RegExp> = {
    ...Object.fromEntries(Object.entries(files).map(([name, [, message]]) => [name, message])),
    'pipe.csv': /pipe\.csv.* named pipe/,
    'loop.csv': /loop\.csv.* links lead in a circle/,
    'zeros.csv': /zeros\.csv.* device/,
    hollow: /hollow/,
  };
  const results = commandResults(
    cwd,
    Object.keys(messages).map((name) => ['train', 'own.yaml', '--set', `data.path=${name}`, '--out', 'none']),
  );
  for (const [index, message] of Object.values(messages).entries()) {
    const { command, code, stdout, stderr } = results[index]!;
    expect({ code, stdout }, command).toEqual({ code: 1, stdout: '' });
    expect(stderr, command).toMatch(message);
    expect(stderr, command).not.toMatch(/E[A-Z]{4,}|CSV_|JSON at|at position|\n./);
  }
  expect(existsSync(join(cwd, 'none'))).toBe(false);
});

it('predictions that are no numbers have no correlation, and no null stands for it', async () => {
  expect((await padnet(['train', 'stsb.yaml', '--out', 'stsb'], { cwd })).code).toBe(0);
  const file = join(cwd, 'stsb/model/model.safetensors');
  const { tensors, metadata } = loadSafetensors(file);
  const [bias] = [...tensors.keys()].filter((name) => name.endsWith('.bias')).slice(-1);
  tensors.set(bias!, ops.full(tensors.get(bias!)!.shape, NaN));
  saveSafetensors(file, tensors, metadata);
  const { code, stdout, stderr } = await padnet(['eval', 'stsb', '--json'], { cwd });
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(/^padnet: .*output for text 1 is not finite: parameter head\.output\.bias.*\n$/);
});
