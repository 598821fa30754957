/** `padnet glue`, on an encoder and tasks that take a second to fine-tune. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GlueDocument } from 'padnet/report';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { runCommand, type CommandResult } from '../../packages/padnet/dist/cli/runCommand.test.fixture.js';
import { checksums, padnet } from './padnetProcess.js';
import { writeTinyEncoder, writeTinyGlue, writeTinyGlueRecipes } from './tinyGlue.js';

let cwd: string;
const glue = (...parameters: string[]): Promise<CommandResult> =>
  runCommand(['glue', '--recipes', 'recipes', ...parameters], { cwd });

beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'padnet-glue-'));
  writeTinyEncoder(join(cwd, 'encoder'));
  writeTinyGlue(join(cwd, 'glue'));
  writeTinyGlueRecipes(join(cwd, 'recipes'));
});

afterAll(() => {
  rmSync(cwd, { recursive: true, force: true });
});

const document = (out: string): GlueDocument =>
  JSON.parse(readFileSync(join(cwd, out, 'glue.json'), 'utf8')) as GlueDocument;

const matrix = ['--tasks', 'rte', '--networks', 'moe,pad', '--seeds', '1,2'];

describe('the table', () => {
  // `ablate` goes on in the same way, and is always tested.
  it.runIf(process.env.PADNET_LONG_TESTS === '1')('is the same however often it was interrupted', async () => {
    const longer = [...matrix, '--set', 'training.epochs=4'];
    let stopped = false;
    const first = await padnet(['glue', '--recipes', 'recipes', ...longer, '--out', 'parts'], {
      cwd,
      onLine: (line, child) => {
        // In the second run, once it trains.
        stopped ||= line.startsWith('[2/4]');
        if (stopped && line.startsWith('epoch 2/4')) child.kill('SIGINT');
      },
    });
    expect(first.code).toBe(130);
    expect(first.stderr).toMatch(
      /\n3 of 4 runs are missing\nstopped at step \d+ of rte-pad-seed1, saved; the same command goes on: padnet glue --recipes recipes --tasks rte .* --out parts\n$/,
    );
    expect(document('parts').runs.map(({ network, seed }) => [network, seed])).toEqual([['moe', 1]]);
    expect(existsSync(join(cwd, 'parts/rte-pad-seed1/checkpoints'))).toBe(true);
    const trained = checksums(join(cwd, 'parts/rte-moe-seed1'));

    const second = await glue(...longer, '--out', 'parts', '--json');
    expect(second.code).toBe(0);
    expect(second.stderr).toContain('[2/4] resuming rte-pad-seed1\n[3/4] training rte-moe-seed2\n');
    expect(checksums(join(cwd, 'parts/rte-moe-seed1'))).toEqual(trained);
    expect(existsSync(join(cwd, 'parts/rte-pad-seed1/checkpoints'))).toBe(false);
    expect(existsSync(join(cwd, 'parts/rte-pad-seed1.lock'))).toBe(false);

    const whole = await glue(...longer, '--out', 'whole');
    expect(whole).toMatchObject({ code: 0, stderr: '' });
    const scores = ({ runs }: GlueDocument) => runs.map(({ network, seed, metrics }) => [network, seed, metrics]);
    expect(scores(JSON.parse(second.stdout) as GlueDocument)).toEqual(scores(document('whole')));
    const cells = ({ rows }: GlueDocument) => rows.map((row) => row.cells);
    expect(cells(document('parts'))).toEqual(cells(document('whole')));
    expect(whole.stdout).toMatch(/^PAD, κ = 0\.5 +\d+\.\d ± \d+\.\d$/m);
    expect(whole.stdout).toMatch(/^PAD − MoE /m);
    expect(readFileSync(join(cwd, 'whole/glue.md'), 'utf8')).toContain('| PAD, κ = 0.5 | ');
    const page = readFileSync(join(cwd, 'whole/report.html'), 'utf8');
    expect(page).toContain('How evenly the experts are used');
    expect(page).toContain('dynamic ratio by layer');
  });

  it('says which cell failed, and has the others', async () => {
    const file = join(cwd, 'recipes/stsb-pad50.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace('learningRate: 0.003', 'learningRate: 1e30'));
    const parameters = ['--tasks', 'rte,stsb', '--networks', 'static', '--out', 'failed'];
    const { code, stdout, stderr } = await glue(...parameters);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^padnet: stsb-static-seed1 failed: the loss is not finite at step \d+: .*\n1 of 2 runs is missing\n$/,
    );
    expect(stdout).toMatch(/^Network +STS-B \(P\+S\)\/2 +RTE Acc +Average 2 tasks$/m);
    expect(stdout).toMatch(/^static +failed +\d+\.\d +–$/m);
    expect(stdout).toMatch(/^Failed: STS-B, static, seed 1: the loss is not finite/m);
    expect(document('failed').failed).toMatchObject([{ task: 'stsb', network: 'static', seed: 1 }]);
  });

  it('counts a run whose score is no number as failed, and shows it as unknown in a comparison', async () => {
    const parameters = ['--tasks', 'rte', '--networks', 'static', '--seeds', '1,2', '--out', 'null'];
    expect(await glue(...parameters)).toMatchObject({ code: 0, stderr: '' });
    const run = join(cwd, 'null/rte-static-seed2');
    const events = readFileSync(join(run, 'metrics.jsonl'), 'utf8');
    const [, score] = /"testScore":([^,]+),[^\n]*\n$/.exec(events)!;
    writeFileSync(join(run, 'metrics.jsonl'), events.replaceAll(`"testScore":${score!}`, '"testScore":null'));
    const { stdout } = await glue(...parameters);
    expect(stdout).toMatch(/^static +\d+\.\d \(1, 1 failed\)$/m);
    expect(stdout).toMatch(/^Failed: RTE, static, seed 2: .* has a test accuracy that is not a number, as/m);
    expect(document('null').runs).toHaveLength(1);
    const compared = await runCommand(['compare', run, '--out', 'null.html'], { cwd });
    expect(compared.stdout).toMatch(/^Test accuracy +–$/m);
  });

  it('refuses a folder with runs of another recipe, before anything is trained', async () => {
    const { code, stdout, stderr } = await glue(
      ...['--tasks', 'rte', '--networks', 'static', '--seeds', '1,2', '--out', 'failed'],
      ...['--set', 'training.epochs=3'],
    );
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(
      /^padnet: failed\/rte-static-seed1 was started with another recipe \(there `epochs: 2`, here `epochs: 3`\); .*\n$/,
    );
    expect(existsSync(join(cwd, 'failed/rte-static-seed2'))).toBe(false);
  });
});

it.each([
  ['glue', ['--recipes', 'recipes', '--tasks', 'rte', '--pretrained', 'org/slow', '--out', 'fetched']],
  ['train', ['recipes/rte-pad50.yaml', '--set', 'model.pretrained=org/slow', '--out', 'fetched']],
])('%s ends with 130 where Ctrl-C comes while a model is fetched', async (command, parameters) => {
  let child: ChildProcess | undefined;
  // A hub that never answers.
  await using server = createServer(() => child!.kill('SIGINT'));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const { code, stderr } = await padnet([command, ...parameters], {
    cwd,
    env: { HF_ENDPOINT: `http://127.0.0.1:${port}`, PADNET_CACHE: join(cwd, 'cache') },
    onStart: (started) => (child = started),
  });
  const missing = command === 'glue' ? '3 of 3 runs are missing\n' : '';
  expect({ code, stderr }).toEqual({
    code: 130,
    stderr: `\nCtrl-C: finishing this step; once more to exit at once\n${missing}`,
  });
  expect(existsSync(join(cwd, 'fetched'))).toBe(false);
});

describe('bad usage', () => {
  it.each([
    [['--tasks', 'rte,mprc'], /Known are cola, .*; did you mean mrpc\?/],
    [['--networks', 'mow'], /Known are scratch, static, moe, pad; did you mean moe\?/],
    [['--seeds', '1,two'], /Expected a whole number of at least 0/],
    [['--tasks', 'rte', '--set', 'training.seed=3'], /--set training\.seed=3: --seeds decides that for each run/],
    [['--tasks', 'rte', '--set', 'training.epoch=3'], /unknown key; did you mean training\.epochs\?/],
  ])('%j', async (parameters, message) => {
    const { code, stdout, stderr } = await glue(...parameters);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd()).not.toContain('\n');
  });

  it.each([
    [['--data', 'nowhere'], /nowhere\/RTE: expected train\.tsv\[\.gz\], there is no such folder/],
    [['--pretrained', './nowhere'], /"\.\/nowhere": there is no such folder/],
    [['--tasks', 'cola'], /recipes\/cola-pad50\.yaml: expected a recipe, but there is no such file/],
  ])('%j leaves nothing', async (parameters, message) => {
    const { code, stdout, stderr } = await glue('--tasks', 'rte', '--out', 'nothing', ...parameters);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(message);
    expect(existsSync(join(cwd, 'nothing'))).toBe(false);
  });
});

describe('train --seeds', () => {
  it('trains once for each, goes on where it stopped, and prints mean and deviation', async () => {
    const train = ['train', 'recipes/rte-pad50.yaml'];
    const first = await runCommand([...train, '--seeds', '1', '--out', 'seeds'], { cwd });
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toMatch(/^1 seed: test accuracy \d+\.\d\d %$/m);
    const again = await runCommand([...train, '--seeds', '1,2', '--out', 'seeds'], { cwd });
    expect(again).toMatchObject({ code: 1, stdout: '' });
    expect(again.stderr).toContain('seeds/seed-1 already has a run');

    const { code, stdout } = await runCommand([...train, '--seeds', '1,2', '--out', 'seeds', '--resume', '--json'], {
      cwd,
    });
    expect(code).toBe(0);
    const summary = JSON.parse(stdout.trim().split('\n').at(-1)!) as {
      type: string;
      runs: { seed: number; run: string; testMetrics: { accuracy: number } }[];
      test: { accuracy: { mean: number; deviation: number; count: number } };
    };
    expect(summary).toMatchObject({
      type: 'seeds',
      runs: [
        { seed: 1, run: 'seeds/seed-1' },
        { seed: 2, run: 'seeds/seed-2' },
      ],
    });
    const [a, b] = summary.runs.map(({ testMetrics }) => testMetrics.accuracy) as [number, number];
    expect(summary.test.accuracy.mean).toBeCloseTo((a + b) / 2, 12);
    expect(summary.test.accuracy.deviation).toBeCloseTo(Math.abs(a - b) / Math.SQRT2, 12);
  });

  it('is not for one seed', async () => {
    const { code, stderr } = await runCommand(['train', 'recipes/rte-pad50.yaml', '--seed', '1', '--seeds', '1,2'], {
      cwd,
    });
    expect(code).toBe(2);
    expect(stderr).toBe('padnet: --seed is for one run and --seeds for several: give one of them\n');
  });
});
