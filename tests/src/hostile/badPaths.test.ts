/** Paths that lead nowhere, in every command: told in words, by code 1 or 2, and nothing is changed. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { padnet, tinyRecipe, writePictures } from '../padnetProcess.js';
import { commandResults } from './commandResults.js';

let cwd: string;
const mounts: string[] = [];

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'padnet-paths-'));
  writePictures(join(cwd, 'pictures'));
  for (const layer of ['static', 'dyconv', 'pad'] as const)
    writeFileSync(join(cwd, `${layer}.yaml`), tinyRecipe(layer, { epochs: 1 }));
  writeFileSync(join(cwd, 'ablation.yaml'), 'recipe: static.yaml\nsweeps: [{ training.momentum: [0.5] }]\n');
  for (const layer of ['static', 'dyconv'] as const)
    expect((await padnet(['train', `${layer}.yaml`, '--out', layer], { cwd })).code).toBe(0);
  writeFileSync(join(cwd, 'file'), 'mine');
  mkdirSync(join(cwd, 'folder'));
  writeFileSync(join(cwd, 'folder', 'mine.txt'), 'mine');
  symlinkSync('ring', join(cwd, 'ring'));
  symlinkSync('nowhere', join(cwd, 'dangling'));
  for (const name of ['recipe.yaml', 'metrics.jsonl', 'checkpoints'])
    mkdirSync(join(cwd, `odd-${name}`, name), { recursive: true });
});

afterAll(() => {
  for (const folder of mounts) execFileSync('umount', [folder]);
  rmSync(cwd, { recursive: true, force: true });
});

const paths = [
  'missing',
  'file',
  'folder',
  'ring',
  'dangling',
  'file/below',
  'ring/below',
  'x'.repeat(300),
  '/proc/nothing',
  'a\0b',
];

/** With a path that is read. */
const readers: ((path: string) => string[])[] = [
  (path) => ['train', path, '--out', 'new'],
  (path) => ['train', '--resume', path],
  (path) => ['train', 'static.yaml', '--set', `data.path=${JSON.stringify(path)}`, '--out', 'new'],
  (path) => ['train', 'static.yaml', '--set', `model.pretrained=${JSON.stringify(path)}`, '--out', 'new'],
  (path) => [
    'train',
    'pad.yaml',
    '--set',
    'partition.epoch=0',
    '--set',
    `partition.masks=${JSON.stringify(path)}`,
    '--out',
    'new',
  ],
  (path) => ['ablate', path, '--out', 'new'],
  (path) => ['glue', '--recipes', path, '--tasks', 'rte', '--out', 'new'],
  (path) => ['partition', path, '--ratio', '0.5'],
  (path) => ['eval', path],
  (path) => ['eval', 'static', '--recipe', path],
  (path) => ['inspect', path],
  (path) => ['convert', path, '--model', 'resnet10', '--layer', 'partial', '--out', 'new'],
  (path) => ['compare', 'static', path],
  (path) => ['mask', 'show', path],
  (path) => ['mask', 'diff', path, path],
];

/** With a path that is written. */
const writers: ((path: string) => string[])[] = [
  (path) => ['train', 'static.yaml', '--out', path],
  (path) => ['ablate', 'ablation.yaml', '--out', path],
  (path) => ['partition', 'dyconv', '--ratio', '0.5', '--rounds', '1', '--batches', '1', '--out', path],
  (path) => ['convert', 'static', '--layer', 'partial', '--out', path],
  (path) => ['compare', 'static', '--out', path],
];

/** Where something can be written. */
const isFine = ([command]: readonly string[], path: string): boolean =>
  path === 'missing' || (path === 'folder' && (command === 'convert' || command === 'ablate'));

function expectWords(commands: readonly (readonly string[])[]): void {
  const before = readdirSync(cwd, { recursive: true }).sort();
  for (const { command, code, stdout, stderr } of commandResults(cwd, commands)) {
    const said = `${command}\n${stdout}${stderr}`;
    expect([1, 2], said).toContain(code);
    expect(stderr, said).toMatch(/^padnet: .+/);
    // Neither names of errors, nor of calls, nor where in the program it was.
    expect(stderr.replaceAll('GLUE', ''), said).not.toMatch(
      /\bE[A-Z]{3,}\b|syscall|errno|\n {4}at |TypeError|undefined/,
    );
  }
  expect(readdirSync(cwd, { recursive: true }).sort()).toEqual(before);
}

it('read', () => {
  expectWords(paths.flatMap((path) => readers.map((command) => command(path))));
}, 120_000);

it('written', () => {
  expectWords(
    paths.flatMap((path) => writers.map((command) => command(path)).filter((command) => !isFine(command, path))),
  );
}, 120_000);

it('runs with folders where files are expected, and files for folders', () => {
  writeFileSync(join(cwd, 'odd-metrics.jsonl', 'recipe.yaml'), tinyRecipe('static', { epochs: 1 }));
  rmSync(join(cwd, 'odd-checkpoints', 'checkpoints'), { recursive: true });
  writeFileSync(join(cwd, 'odd-checkpoints', 'checkpoints'), 'mine');
  writeFileSync(join(cwd, 'odd-checkpoints', 'recipe.yaml'), tinyRecipe('static', { epochs: 1 }));
  const runs = ['odd-recipe.yaml', 'odd-metrics.jsonl', 'odd-checkpoints'];
  expectWords([
    ...runs.map((run) => ['train', '--resume', run]),
    ...runs.map((run) => ['train', 'static.yaml', '--out', run, '--force']),
    ['compare', 'odd-recipe.yaml'],
    ['compare', 'odd-metrics.jsonl'],
  ]);
});

/** Only root may, and not in every container. */
function readOnlyDisk(): string | null {
  const folder = join(cwd, 'disk');
  try {
    mkdirSync(folder);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', folder], { stdio: 'ignore' });
    mounts.push(folder);
    return folder;
  } catch {
    return null;
  }
}

it('a disk that is read-only', ({ skip }) => {
  if (readOnlyDisk() === null) skip();
  const commands = writers.flatMap((command) => [command('disk/new'), command('disk/new/deep')]);
  expectWords(commands);
  for (const { stderr } of commandResults(cwd, commands)) expect(stderr).toContain('the disk is read-only');
});
