/** Runs that are resumed after something has changed: never in silence. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { checksums, padnet, tinyRecipe, writePictures, type Finished } from '../padnetProcess.js';
import { commandResults } from './commandResults.js';

let cwd: string;

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'padnet-changed-'));
  writePictures(join(cwd, 'pictures'));
  writeFileSync(join(cwd, 'static.yaml'), tinyRecipe('static', { epochs: 4 }));
  await padnet(['train', 'static.yaml', '--out', 'stopped', '--json'], {
    cwd,
    onLine: (line, child) => {
      if (line.includes('"type":"epoch","epoch":2,')) child.kill('SIGINT');
    },
  });
});

afterAll(() => {
  rmSync(cwd, { recursive: true, force: true });
});

/** A run of this name, stopped in its second epoch. */
const stopped = (name: string): void => {
  cpSync(join(cwd, 'stopped'), join(cwd, name), { recursive: true });
};

const edit = (file: string, change: (text: string) => string): void => {
  writeFileSync(join(cwd, file), change(readFileSync(join(cwd, file), 'utf8')));
};

/** The JSON of the newest checkpoint. */
const checkpoint = (run: string): string =>
  join(
    run,
    'checkpoints',
    readdirSync(join(cwd, run, 'checkpoints'))
      .filter((name) => /^step-.*json$/.test(name))
      .sort()
      .at(-1)!,
  );

const isRefused = ({ code, stdout, stderr }: Pick<Finished, 'code' | 'stdout' | 'stderr'>, message: RegExp): void => {
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(message);
  expect(stderr.trimEnd().split('\n')).toHaveLength(1);
};

it('what has changed in the run is refused in one line, and nothing is changed', () => {
  const changes: [string, (run: string) => void, RegExp][] = [
    [
      'recipe',
      (run) => {
        edit(`${run}/recipe.yaml`, (text) => text.replace('learningRate: 0.05', 'learningRate: 0.5'));
      },
      /: training\.learningRate was 0\.05, is 0\.5; put that back, /,
    ],
    [
      'checkpoint',
      (run) => {
        edit(checkpoint(run), (text) => text.replace(/"step": \d+/, '"step": 99999999'));
      },
      /step-.*\.json: not a checkpoint \(damaged\?\); delete /,
    ],
    [
      'line',
      (run) => {
        edit(`${run}/metrics.jsonl`, (text) => text.split('\n').with(3, 'null').join('\n'));
      },
      /metrics\.jsonl:4: damaged: expected one JSON event per line; the checkpoint is whole: /,
    ],
    [
      'events',
      (run) => {
        rmSync(join(cwd, run, 'metrics.jsonl'));
      },
      /metrics\.jsonl has 0 of the \d+ events that the checkpoint knows of; /,
    ],
  ];
  for (const [run, change] of changes) {
    stopped(run);
    change(run);
  }
  const before = checksums(cwd);
  const results = commandResults(
    cwd,
    changes.map(([run]) => ['train', '--resume', run, '--json']),
  );
  for (const [index, result] of results.entries()) isRefused(result, changes[index]![2]);
  expect(checksums(cwd)).toEqual(before);
}, 120_000);

it.each<[string, Record<string, string>, RegExp]>([
  ['threads', { OMP_NUM_THREADS: '2' }, /: threads was 1, is 2; put that back, /],
  [
    'an instruction set',
    { PADNET_ISA: 'portable', ATEN_CPU_CAPABILITY: 'default' },
    /: instruction set was .*, is portable, libtorch .*; /,
  ],
])('other %s are refused too', async (_, env, message) => {
  isRefused(await padnet(['train', '--resume', 'stopped', '--json'], { cwd, env }), message);
});

it('where it is allowed the run says so, and so does what compares it', () => {
  stopped('run');
  edit('run/recipe.yaml', (text) => text.replace('learningRate: 0.05', 'learningRate: 0.02'));
  const [trained, compared] = commandResults(cwd, [
    ['train', '--resume', 'run', '--allow-changes'],
    ['compare', 'run'],
  ]);
  expect(trained).toMatchObject({ code: 0, stderr: '' });
  expect(trained!.stdout).toMatch(/^going on from step \d+ with changes: training\.learningRate was 0\.05, is 0\.02$/m);
  const note =
    'run was gone on with after changes and is not what its recipe alone gives: training.learningRate was 0.05, is ' +
    '0.02.';
  expect(compared!.stdout).toContain(`\n${note}\n`);
  expect(readFileSync(join(cwd, 'report.html'), 'utf8')).toContain(note);
});
