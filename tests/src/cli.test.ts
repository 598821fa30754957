/** The command line where nothing is trained: help, bad usage, bad recipes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { runCommand, type CommandResult } from '../../packages/padnet/dist/cli/runCommand.test.fixture.js';
import { padnet, tinyRecipe, writePictures } from './padnetProcess.js';

let cwd: string;

beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'padnet-cli-'));
  writePictures(join(cwd, 'pictures'));
  writeFileSync(join(cwd, 'static.yaml'), tinyRecipe('static'));
  writeFileSync(join(cwd, 'pad.yaml'), tinyRecipe('pad'));
  writeFileSync(join(cwd, 'mistyped.yaml'), tinyRecipe('static').replace('epochs', 'epoch'));
  writeFileSync(join(cwd, 'notes.txt'), 'hello');
});

afterAll(() => {
  rmSync(cwd, { recursive: true, force: true });
});

const run = (...parameters: string[]): Promise<CommandResult> => runCommand(parameters, { cwd });

describe('help', () => {
  it.each([
    [['train'], 'padnet train recipes/fashion-mnist/pad30.yaml'],
    [['glue'], 'padnet glue --data glue --tasks rte,mrpc --networks static,moe,pad --seeds 1,2,3'],
    [['ablate'], 'padnet ablate recipes/fashion-mnist/ablation.yaml'],
    [['partition'], 'padnet partition runs/dyconv --ratio 0.5'],
    [['eval'], 'padnet eval runs/pad30'],
    [['inspect'], 'padnet inspect runs/pad30'],
    [['compare'], 'padnet compare runs/static runs/dyconv runs/pad30'],
    [['mask'], 'padnet mask show runs/pad30'],
    [['mask', 'show'], 'padnet mask show runs/pad30'],
    [['mask', 'diff'], 'padnet mask diff runs/pad30'],
    [['models'], 'padnet models --json'],
    [['calibrate'], 'padnet calibrate --no-save'],
    [['setup'], 'padnet setup --with pip --yes'],
    [['doctor'], 'padnet doctor'],
  ])('%j has an example', async (command, example) => {
    const { code, stdout, stderr } = await run(...command, '--help');
    expect(code).toBe(0);
    expect(stderr).toBe('');
    expect(stdout).toContain(`Usage: padnet ${command.join(' ')}`);
    expect(stdout).toMatch(/\nExamples?:\n/);
    expect(stdout).toContain(`  $ ${example}`);
  });

  it('lists the commands, on stderr where none was given', async () => {
    const asked = await run('--help');
    expect(asked).toMatchObject({ code: 0, stderr: '' });
    for (const command of [
      'train',
      'ablate',
      'partition',
      'eval',
      'inspect',
      'compare',
      'mask',
      'models',
      'calibrate',
      'setup',
      'doctor',
    ]) {
      expect(asked.stdout).toMatch(new RegExp(`^  ${command}\\b`, 'm'));
    }
    const bare = await run();
    expect(bare).toMatchObject({ code: 2, stdout: '' });
    expect(bare.stderr).toContain('Usage: padnet');
  });

  it('tells its version', async () => {
    expect(await run('--version')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) as string,
    });
  });
});

describe('models', () => {
  it('counts every network in each form', { timeout: 120_000 }, async () => {
    const { code, stdout, stderr } = await run('models', '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { numKernels, ratio, networks } = JSON.parse(stdout) as {
      numKernels: number;
      ratio: number;
      networks: {
        name: string;
        width: number;
        forms: Record<'static' | 'dynamic' | 'partial', { parameters: number }>;
      }[];
    };
    expect([numKernels, ratio]).toEqual([4, 0.3]);
    expect(networks.map(({ name, width, forms }) => [name, width, forms.static.parameters])).toContainEqual([
      'resnet101',
      64,
      44_549_160,
    ]);
    for (const { forms } of networks) {
      expect(forms.partial.parameters).toBeGreaterThan(forms.static.parameters);
      expect(forms.partial.parameters).toBeLessThan(forms.dynamic.parameters);
    }
  });
});

describe('bad usage: exit code 2 and one line', () => {
  it.each([
    [['trian'], "unknown command 'trian'; did you mean train?"],
    [['mask', 'shwo'], "unknown command 'shwo'; did you mean show?"],
    [['train', 'static.yaml', '--sed', '3'], "unknown option '--sed'; did you mean one of --seed, --set?"],
    [['train', 'static.yaml', 'pad.yaml'], "too many arguments for 'train'. Expected 1 argument but got 2."],
    [['eval'], "missing required argument 'run'"],
    [['train'], 'expected a recipe, as in `padnet train recipes/fashion-mnist/static.yaml`, or --resume <run>'],
    [
      ['train', 'static.yaml', '--set', 'training.epoch=3'],
      '--set training.epoch=3: training.epoch: unknown key; did you mean training.epochs?',
    ],
    [
      ['train', 'static.yaml', '--seed', 'x'],
      '--seed x: training.seed: expected a whole number of at least 0, got "x"',
    ],
    [
      ['train', 'pad.yaml', '--set', 'partition.rounds=0'],
      '--set partition.rounds=0: partition.rounds: expected a whole number from 1 to 1000, got 0',
    ],
    [
      ['train', 'static.yaml', '--device', 'gpu'],
      "--device gpu: unknown device 'gpu'; known are cpu, cuda, cuda:0, cuda:1 and so on",
    ],
    [
      ['train', 'static.yaml', '--resume', '--force'],
      '--resume goes on with a run and --force deletes it: give one of them',
    ],
    [
      ['train', '--resume', 'runs/x', '--seed', '3'],
      '--resume goes on with the recipe and folder of the run: --set, --seed and --out cannot change them',
    ],
    [
      ['glue', '--networks', 'static,moa'],
      "option '--networks <names>' argument 'static,moa' is invalid. Known are scratch, static, moe, pad; did you " +
        'mean moe?',
    ],
    [
      ['convert', 'weights.pth', '--ratio', '1.5'],
      "option '--ratio <number>' argument '1.5' is invalid. Expected a number from 0 to 1.",
    ],
    [
      ['convert', 'recipe.pth', '--layer', 'static', '--out', 'x', '--model', 'resnet10', '--width', '1.5'],
      '--width: expected a whole number for resnet10, the channels of its first stage, got 1.5',
    ],
    [['compare', 'runs/a', 'runs/a/'], 'runs/a is given twice'],
    [['train', 'static.yaml', '--out', ''], '--out <folder>: expected a value, got nothing'],
    [['train', '--resume', ''], '--resume [run]: expected a value, got nothing'],
    [['eval', ''], '<run>: expected a value, got nothing'],
    [['compare', 'runs/a', ''], '<runs>: expected a value, got nothing'],
    [['mask', 'diff', 'runs/a', ''], '<b>: expected a value, got nothing'],
    [
      ['train', 'static.yaml', '--allow-changes'],
      '--allow-changes is for --resume: a run that starts has nothing to differ from',
    ],
  ])('%j', async (parameters, message) => {
    expect(await run(...parameters)).toEqual({ code: 2, stdout: '', stderr: `padnet: ${message}\n` });
  });

  it('refuses a device that the machine does not have', async () => {
    const { code, stderr } = await run('train', 'static.yaml', '--device', 'cuda:99');
    expect(code).toBe(2);
    expect(stderr).toMatch(/^padnet: --device cuda:99: there is no device 'cuda:99': .*\n$/);
  });
});

describe('bad input: exit code 1 and one line', () => {
  it.each([
    [['train', 'mistyped.yaml'], 'mistyped.yaml:13: training.epoch: unknown key; did you mean training.epochs?'],
    [['train', 'missing.yaml'], 'missing.yaml: expected a recipe, but there is no such file'],
    [['train', 'pictures'], 'pictures: expected a recipe, but it is a folder'],
    [['train', '--resume', 'runs/none'], 'runs/none is not a training run: it has no recipe.yaml'],
    [
      ['eval', 'pictures'],
      'pictures has no network; expected the folder of a run, or of a network that `padnet convert` wrote',
    ],
    [['inspect', 'nothing'], 'nothing: there is no such file or folder'],
    [['inspect', 'no\nthing'], 'no\\x0athing: there is no such file or folder'],
    [['mask', 'show', 'nothing'], 'nothing: expected a partition, but there is no such file'],
    [
      ['inspect', 'notes.txt'],
      'notes.txt: expected the folder of a run or network, a recipe (.yaml) or weights (.safetensors, .pth)',
    ],
    [
      ['mask', 'show', 'pictures'],
      'pictures is no partitioned run: it has no partition.safetensors; give a file of masks or a folder with one, ' +
        'as training with a partition section writes it, or `padnet convert --layer partial --ratio`',
    ],
    [
      ['compare', 'pictures'],
      'pictures has no network; expected the folder of a run, or of a network that `padnet convert` wrote',
    ],
    [
      ['train', 'static.yaml', '--set', 'data.path=elsewhere', '--out', 'runs/elsewhere'],
      expect.stringMatching(
        /^.*elsewhere: expected train-images-idx3-ubyte\[\.gz\] or .*, there is no such folder; .*$/,
      ) as string,
    ],
  ])('%j', async (parameters, message) => {
    const { code, stdout, stderr } = await run(...parameters);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^padnet: .*\n$/);
    expect(stderr.slice('padnet: '.length, -1)).toEqual(message);
    expect(stdout.split('\n').length).toBeLessThanOrEqual(2);
  });
});

describe('without training', () => {
  it('tells once that a kind of layers has another name now', async () => {
    writeFileSync(join(cwd, 'older.yaml'), tinyRecipe('pad').replace('layer: partial', 'layer: pad'));
    const { code, stdout, stderr } = await run('train', 'older.yaml', '--dry-run', '--seeds', '1,2');
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'padnet: older.yaml:4: model.layer: pad is called partial now\n',
    });
    expect(stdout).toContain('  layer: partial\n');
    const set = await run('train', 'pad.yaml', '--dry-run', '--set', 'model.layer=dyconv', '--set', 'partition=null');
    expect(set).toMatchObject({
      code: 0,
      stderr: 'padnet: --set model.layer=dyconv: model.layer: dyconv is called dynamic now\n',
    });
    expect((await run('inspect', 'older.yaml')).stderr).toMatch(/^padnet: older\.yaml:4: .* partial now\n$/);
    expect((await run('train', 'pad.yaml', '--dry-run')).stderr).toBe('');
  });

  it('shows what a recipe would train', async () => {
    const { code, stdout } = await run('train', 'pad.yaml', '--dry-run', '--json', '--seed', '7');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      recipe: { model: { layer: 'partial', width: 8 }, training: { seed: 7, epochs: 2 }, partition: { ratio: 0.3 } },
      run: 'runs/pad',
      resume: false,
      stepsPerEpoch: 6,
      totalSteps: 12,
      samplesPerStep: 16,
      samples: { train: 96, test: 40, each: '1×8×8 pixels' },
      macs: expect.any(Number) as number,
      parameters: expect.any(Number) as number,
    });
    const text = await run('train', 'pad.yaml', '--dry-run');
    expect(text.stdout).toContain('# steps        12: 2 epochs of 6');
    expect(text.stdout).toContain('  ratio: 0.3\n');
    expect(text.stdout).toContain('# each step    16 samples\n');
    const accumulated = await run('train', 'pad.yaml', '--dry-run', '--set', 'training.accumulation=4');
    expect(accumulated.stdout).toContain(
      '# steps        4: 2 epochs of 2\n# each step    64 samples: 4 batches of 16\n',
    );
    const masks = await run('train', 'pad.yaml', '--dry-run', '--set', 'partition.masks=abc');
    expect(masks.code).toBe(1);
    expect(masks.stderr).toMatch(
      /^padnet: partition\.masks: .*abc: expected a partition, but there is no such file\n$/,
    );
  });

  it('inspects a recipe', async () => {
    const { code, stdout } = await run('inspect', 'static.yaml', '--json');
    const inspection = JSON.parse(stdout) as { rows: { path: string; parameters: number }[]; parameters: number };
    expect(code).toBe(0);
    expect(inspection.rows[0]).toMatchObject({ path: 'conv1', parameters: 72 });
    expect(inspection.parameters).toBe(inspection.rows.reduce((sum, { parameters }) => sum + parameters, 0));
    expect((await run('inspect', 'static.yaml')).stdout).toMatch(/^layer +kind/);
  });

  it('has a doctor', async () => {
    const { code, stdout } = await run('doctor', '--json');
    const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: { subject: string; level: string }[] };
    expect(code).toBe(ok ? 0 : 1);
    expect(findings.map(({ subject }) => subject)).toEqual([
      'node',
      'compiler',
      'libtorch',
      'blas',
      'threads',
      'dispatcher',
      'memory',
      'data',
      'python',
    ]);
    expect(findings.find(({ subject }) => subject === 'libtorch')?.level).toBe('ok');
  });

  it('sets up what is missing: nothing, or what cannot be had', async () => {
    const ready = await run('setup');
    expect(ready).toMatchObject({ code: 0, stderr: '' });
    expect(ready.stdout).toMatch(/^nothing to do: libtorch \d+\.\d+\.\d+ in .*; build for \d+\.\d+: .+\n$/);
    const { code, stdout, stderr } = await padnet(['setup', '--yes'], { cwd, env: { LIBTORCH: '/nowhere' } });
    expect({ code, stdout }).toEqual({
      code: 1,
      stdout: 'no libtorch was found that fits:\n  LIBTORCH=/nowhere: there is no such folder\n',
    });
    expect(stderr).toMatch(/^padnet: nothing can be compiled for this LIBTORCH from here: .*\n$/);
  });

  it('ends at once where there is no libtorch to train with', async () => {
    const { code, stderr } = await padnet(['train', 'static.yaml', '--out', 'runs/none'], {
      cwd,
      env: { LIBTORCH: '/nowhere' },
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^padnet: no libtorch was found that fits \(LIBTORCH=\/nowhere: there is no such folder\): .*\n$/,
    );
  });

  it('needs no libtorch to give help, nor to say that there is none', async () => {
    const env = { PADNET_TORCH_ADDON: '/nowhere/torch.node' };
    for (const command of ['calibrate', 'inspect']) {
      const { code, stderr } = await padnet([command, '--help'], { cwd, env });
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    }
    const { code, stdout } = await padnet(['doctor', '--json'], { cwd, env });
    const { findings } = JSON.parse(stdout) as { findings: { subject: string; level: string }[] };
    expect(code).toBe(1);
    expect(findings.find(({ subject }) => subject === 'libtorch')?.level).toBe('fail');
  });
});
