/** The programs of `examples/`, run as their readers run them, on pictures small enough to take seconds. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { runCommand } from '../../packages/padnet/dist/cli/runCommand.test.fixture.js';
import { writePictures } from './padnetProcess.js';

const examples = fileURLToPath(new URL('../../examples', import.meta.url));

let pictures: string;

beforeAll(() => {
  pictures = mkdtempSync(join(tmpdir(), 'padnet-examples-'));
  writePictures(pictures, { train: 256, test: 64 });
});

afterAll(() => {
  rmSync(pictures, { recursive: true });
});

async function run(name: string): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [`${examples}/dist/${name}.js`, pictures], {
    env: { ...process.env, PADNET_EXAMPLE_PICTURES: '192' },
    timeout: 20_000,
  });
  expect(stderr).toBe('');
  return stdout;
}

it('train: a PAD-Net in 30 lines learns', async () => {
  const lines = (await run('train')).trim().split('\n');
  const epoch = (index: number): string => `epoch ${index}/3: # % of those held out, # pictures/s`;
  const masked = (line: string): string => line.replace(/[\d.]+( % .*, )\d+ pictures/, '#$1# pictures');
  expect(lines.map(masked)).toEqual([
    epoch(1),
    expect.stringMatching(/^(29\.9|30\.[01]) % stay dynamic$/),
    epoch(2),
    epoch(3),
    expect.stringMatching(/^test: [\d.]+ %$/),
  ]);
  expect(Number(/: ([\d.]+) %/.exec(lines.at(-1)!)![1])).toBeGreaterThan(60);
});

it("ownCode: sigmoid coefficients train, and a score of one's own decides layer by layer", async () => {
  const output = await run('ownCode');
  const epochs = [...output.matchAll(/^(\d) ([\d.]+)$/gm)];
  expect(epochs.map(([, epoch]) => epoch)).toEqual(['1', '2']);
  expect(Number(epochs[1]![2])).toBeLessThan(Number(epochs[0]![2])); // the training loss
  const ratios = [...output.matchAll(/'(layer[\w.]+)': ([\d.]+)/g)];
  expect(ratios).toHaveLength(11);
  for (const [, , ratio] of ratios) {
    expect(Number(ratio)).toBeGreaterThanOrEqual(0);
    expect(Number(ratio)).toBeLessThanOrEqual(1);
  }
  expect(new Set(ratios.map(([, , ratio]) => ratio)).size).toBeGreaterThan(3);
});

it('signals: a 1-D network is partitioned kernel by kernel and still tells tones apart', async () => {
  const [first, second, score] = (await run('signals')).trim().split('\n');
  expect([first, second]).toEqual([
    expect.stringMatching(/^2: \d+ % dynamic$/),
    expect.stringMatching(/^4: \d+ % dynamic$/),
  ]);
  const ratios = [first, second].map((line) => Number(/ (\d+) %/.exec(line!)![1]));
  // 32 × 16 and 32 × 32 kernels: 30 % of all of them.
  expect((ratios[0]! + 2 * ratios[1]!) / 3).toBeCloseTo(30, -0.5);
  expect(Number(/^([\d.]+) % right$/.exec(score!)![1])).toBeGreaterThan(85);
});

it('ownNetwork: writes runs that commands read', async () => {
  const cwd = mkdtempSync(join(tmpdir(), 'padnet-own-network-'));
  const { stdout } = await promisify(execFile)(process.execPath, [`${examples}/dist/ownNetwork.js`], { cwd });
  expect(stdout).toMatch(/^static: (9\d\.\d|100\.0) %\npartial: (9\d\.\d|100\.0) %\n$/);
  const compared = await runCommand(['compare', 'runs/own-static', 'runs/own-partial'], { cwd });
  expect(compared.code).toBe(0);
  expect(compared.stderr).toMatch(/^padnet: without the routers of runs\/own-partial: [^\n]*\n$/);
  expect(compared.stdout).toMatch(/^Test accuracy .* %/m);
  expect(readFileSync(join(cwd, 'report.html'), 'utf8')).toContain('TinyNet on stripes');
  const shown = await runCommand(['inspect', 'runs/own-partial'], { cwd });
  expect(shown.stdout).toMatch(/DynamicConv2d partial[^]*as the program wrote it down that trained it\n$/);
  const cannot = 'was trained by a program of your own; only that program has its data and can go on with it';
  for (const [parameters, message] of [
    [['train', '--resume', 'runs/own-partial'], cannot],
    [
      ['convert', 'runs/own-partial', '--layer', 'static', '--out', 'networks/x'],
      'TinyNet is a network of a program of your own',
    ],
    [
      ['train', 'runs/own-partial/recipe.yaml'],
      'recipe.yaml:1: modality: a program of your own wrote this when it trained',
    ],
  ] as const) {
    const { code, stderr } = await runCommand(parameters, { cwd });
    expect({ code, lines: stderr.trimEnd().split('\n').length }).toEqual({ code: 1, lines: 1 });
    expect(stderr).toContain(message);
  }
  rmSync(cwd, { recursive: true });
}, 180_000);

it('each has less than 40 lines of code', () => {
  const files = readdirSync(join(examples, 'src'));
  expect(files.sort()).toEqual([
    'ownCode.ts',
    'ownNetwork.ts',
    'ownRouter.ts',
    'ownSaliency.ts',
    'pictures.ts',
    'signals.ts',
    'train.ts',
  ]);
  for (const file of files) {
    const text = readFileSync(join(examples, 'src', file), 'utf8');
    const code = text.slice(text.indexOf('*/') + 2).trim();
    expect(code.split('\n').length, file).toBeLessThan(40);
  }
});
