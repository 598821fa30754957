/** Two processes that write to one folder: one has it, the other is told who. */
import { type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { killAll, padnet, tinyRecipe, writePictures, type Finished } from '../padnetProcess.js';
import { commandResults } from './commandResults.js';

let cwd: string;
const run = (...parameters: string[]): Promise<Finished> => padnet(parameters, { cwd });

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'padnet-two-'));
  writePictures(join(cwd, 'pictures'));
  writeFileSync(join(cwd, 'short.yaml'), tinyRecipe('dyconv', { epochs: 1 }));
  writeFileSync(join(cwd, 'long.yaml'), tinyRecipe('static', { epochs: 1000 }));
  writeFileSync(join(cwd, 'ablation.yaml'), 'recipe: short.yaml\nsweeps: [{ training.momentum: [0.5] }]\n');
  expect((await run('train', 'short.yaml', '--out', 'done')).code).toBe(0);
});

afterAll(() => {
  rmSync(cwd, { recursive: true, force: true });
});

const trainings: { readonly child: ChildProcess; readonly end: Promise<Finished> }[] = [];

/** A training that has begun, and goes on until it is killed. */
async function training(out: string, ...parameters: string[]): Promise<ChildProcess> {
  return await new Promise((resolve) => {
    const end = padnet(['train', ...(parameters.length > 0 ? parameters : ['long.yaml', '--out', out]), '--json'], {
      cwd,
      ownGroup: true,
      onStart: (child) => trainings.push({ child, end: Promise.resolve().then(() => end) }),
      onLine: (_, child) => {
        resolve(child);
      },
    });
  });
}

async function kill(): Promise<void> {
  for (const { child, end } of trainings.splice(0)) {
    killAll(child, 'SIGKILL');
    await end;
  }
}
afterEach(kill);

const held = (folder: string, pid: number | undefined): RegExp =>
  new RegExp(
    `^padnet: ${folder} is held by process ${pid} \\(\`padnet train .*\`\\) since \\d{4}-\\d\\d-\\d\\dT.*Z; wait for ` +
      'it or end it\n$',
  );

describe('beside a training', () => {
  it('nothing else writes to its run, stopped or not; killed, it is gone on with', async () => {
    const { pid } = await training('busy');
    const results = commandResults(cwd, [
      ['train', 'long.yaml', '--out', 'busy', '--force'],
      ['train', '--resume', './busy/'],
      ['compare', 'done', '--out', 'busy/report.html'],
    ]);
    for (const { command, code, stdout, stderr } of results) {
      expect({ command, code, stdout }).toEqual({ command, code: 1, stdout: '' });
      expect(stderr).toMatch(held('(\\./)?busy/?', pid));
    }
    expect(existsSync(join(cwd, 'busy/report.html'))).toBe(false);

    killAll(trainings[0]!.child, 'SIGSTOP');
    expect((await run('train', '--resume', 'busy')).stderr).toMatch(held('busy', pid));

    await kill();
    expect(existsSync(join(cwd, 'busy/.padnet.lock'))).toBe(true);
    const child = await training('', '--resume', 'busy');
    expect(child.pid).not.toBe(pid);
  }, 120_000);

  it('an ablation leaves a run to the one who trains it, trains the others, and says that one is missing', async () => {
    mkdirSync(join(cwd, 'study'));
    const { pid } = await training('', 'short.yaml', '--set', 'training.epochs=500', '--out', 'study/base-seed1');
    // As the ablation would have begun it.
    const file = join(cwd, 'study/base-seed1/recipe.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace('epochs: 500', 'epochs: 1'));
    const { code, stdout, stderr } = await run('ablate', 'ablation.yaml', '--out', 'study');
    expect(code).toBe(1);
    expect(stderr).toMatch(
      new RegExp(
        `^base-seed1 is left to the process that trains it: study/base-seed1 is held by process ${pid} .*\n` +
          '1 of 2 runs is missing\n$',
      ),
    );
    expect(stdout).toContain('[2/2] training training.momentum=0.5-seed1\n');
    expect(existsSync(join(cwd, 'study/training.momentum=0.5-seed1/model/model.json'))).toBe(true);

    await kill();
    rmSync(join(cwd, 'study/base-seed1'), { recursive: true });
    expect(await run('ablate', 'ablation.yaml', '--out', 'study')).toMatchObject({ code: 0, stderr: '' });
  }, 120_000);
});

it('of two that start at once in a new folder, one trains and the other changes nothing', async () => {
  const both = await Promise.all(
    [1, 2].map(() => run('train', 'short.yaml', '--out', 'new', '--set', 'training.epochs=20')),
  );
  expect(both.map(({ code }) => code).sort()).toEqual([0, 1]);
  const { stderr } = both.find(({ code }) => code === 1)!;
  expect(stderr).toMatch(/^padnet: new (is held by process \d+ \(`padnet train .*|already has a run; .*)\n$/);
  const lines = readFileSync(join(cwd, 'new/metrics.jsonl'), 'utf8').trim().split('\n');
  const steps = lines
    .map((line) => JSON.parse(line) as { type: string; step: number })
    .filter(({ type }) => type === 'step');
  expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 120 }, (_, index) => index + 1));
});

it('a lock that was left behind is in nobody’s way, whatever is in it', () => {
  for (const text of ['', '{"pid":1,"host":"here","since":"2026-01-01","command":"x"}']) {
    writeFileSync(join(cwd, 'done/.padnet.lock'), text);
    writeFileSync(join(cwd, 'done.lock'), '1'); // as older versions left it
    const [forced] = commandResults(cwd, [['train', 'short.yaml', '--out', 'done', '--force']]);
    expect(forced).toMatchObject({ code: 0, stderr: '' });
    expect(existsSync(join(cwd, 'done/.padnet.lock'))).toBe(false);
  }
}, 120_000);
