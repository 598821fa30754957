/** `padnet ablate`, on pictures that take a second to train on. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AblationDocument } from 'padnet/report';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { runCommand, type CommandResult } from '../../packages/padnet/dist/cli/runCommand.test.fixture.js';
import { holdFolder } from '../../packages/padnet/dist/runs/index.js';
import { checksums, padnet, program, tinyRecipe, writePictures } from './padnetProcess.js';

let cwd: string;
const ablate = (...parameters: string[]): Promise<CommandResult> => runCommand(['ablate', ...parameters], { cwd });

const ablation = `recipe: pad.yaml
seeds: [1]
references: [static.yaml]
sweeps:
  - partition.ratio: [0.1, 0.3]
`;

beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'padnet-ablate-'));
  writePictures(join(cwd, 'pictures'));
  for (const layer of ['static', 'pad'] as const) writeFileSync(join(cwd, `${layer}.yaml`), tinyRecipe(layer));
  writeFileSync(join(cwd, 'ablation.yaml'), ablation);
  writeFileSync(join(cwd, 'none.yaml'), 'recipe: static.yaml\nsweeps: [{ data.batchSize: [8, 16] }]\n');
});

afterAll(() => {
  rmSync(cwd, { recursive: true, force: true });
});

/** Whether there are pseudo-terminals: a bare system may have no `script`, or no devpts. */
const hasTerminals = spawnSync('script', ['-qec', 'true', '/dev/null']).status === 0;

const document = (out: string): AblationDocument =>
  JSON.parse(readFileSync(join(cwd, out, 'ablation.json'), 'utf8')) as AblationDocument;

/** Without what differs from one time to the next. */
const lasting = (of: AblationDocument, out: string): unknown => {
  const changing = ['command', 'date', 'environment', 'stepSeconds', 'peakMemoryBytes', 'trainingSeconds'];
  const text = JSON.stringify(of, (key, value: unknown) => (changing.includes(key) ? undefined : value));
  return JSON.parse(text.replaceAll(`${out}/`, 'out/'));
};

describe('the tables', () => {
  it('are the same however often it was interrupted', async () => {
    let stopped = false;
    const first = await padnet(['ablate', 'ablation.yaml', '--set', 'training.epochs=3', '--out', 'parts'], {
      cwd,
      onLine: (line, child) => {
        // In the third run, once it trains.
        stopped ||= line.startsWith('[3/3]');
        if (stopped && line.startsWith('epoch 1/3')) child.kill('SIGINT');
      },
    });
    expect(first.code).toBe(130);
    expect(first.stdout).toMatch(
      /^3 recipes × 1 seed: 3 runs\nOne seed shows no difference: .*\n\[1\/3\] training base-seed1\n/,
    );
    expect(first.stderr).toMatch(
      /\n1 of 3 runs is missing\nstopped at step \d+ of partition\.ratio=0\.1-seed1, saved; the same command goes on: padnet ablate ablation\.yaml --set training\.epochs=3 --out parts\n$/,
    );
    expect(document('parts').runs.map(({ variant, seed }) => [variant, seed])).toEqual([
      ['base', 1],
      ['static', 1],
    ]);
    const trained = checksums(join(cwd, 'parts/base-seed1'));

    const second = await ablate('ablation.yaml', '--set', 'training.epochs=3', '--out', 'parts', '--json');
    expect(second.code).toBe(0);
    expect(second.stderr).toMatch(/^\[3\/3\] resuming partition\.ratio=0\.1-seed1\n/);
    expect(checksums(join(cwd, 'parts/base-seed1'))).toEqual(trained);
    expect(existsSync(join(cwd, 'parts/partition.ratio=0.1-seed1/checkpoints'))).toBe(false);

    const whole = await ablate('ablation.yaml', '--set', 'training.epochs=3', '--out', 'whole');
    expect(whole).toMatchObject({ code: 0, stderr: '' });
    expect(whole.stdout).toMatch(/^0\.3 +\d+\.\d\d +base /m);
    expect(whole.stdout).toContain(`page: ${join(cwd, 'whole/ablation.html')}`);
    const { runs } = document('whole');
    expect(runs).toHaveLength(3);
    expect(runs[0]).toMatchObject({
      variant: 'base',
      seed: 1,
      run: 'whole/base-seed1',
      environment: { cores: expect.any(Number) as number },
    });
    expect(lasting(document('parts'), 'parts')).toEqual(lasting(document('whole'), 'whole'));
    expect(lasting(JSON.parse(second.stdout) as AblationDocument, 'parts')).toEqual(
      lasting(document('parts'), 'parts'),
    );
    expect(readFileSync(join(cwd, 'whole/ablation.html'), 'utf8')).toContain('<h2>partition.ratio</h2>');
  }, 180_000);

  it('take what is there for sweeps that are added, and refuse runs of another recipe, but for --force', async () => {
    const before = checksums(join(cwd, 'whole'));
    const same = await ablate('ablation.yaml', '--out', 'whole');
    expect(same).toMatchObject({ code: 1, stdout: '' });
    expect(same.stderr).toMatch(
      /^padnet: whole\/base-seed1 was started with another recipe \(there `epochs: 3`, here `epochs: 2`\); .*; --force starts it from the beginning\n$/,
    );
    expect(checksums(join(cwd, 'whole'))).toEqual(before);

    writeFileSync(join(cwd, 'more.yaml'), ablation.replace('0.3]', '0.3, 0.5]'));
    const more = ['more.yaml', '--set', 'training.epochs=3', '--out', 'whole', '--json'];
    const added = await ablate(...more);
    expect(added).toMatchObject({ code: 0, stderr: '[4/4] training partition.ratio=0.5-seed1\n' });
    expect((JSON.parse(added.stdout) as AblationDocument).runs).toHaveLength(4);

    const unused = await ablate('none.yaml', '--set', 'partition.epoch=0.5', '--out', 'none');
    expect(unused).toMatchObject({ code: 2, stdout: '' });
    expect(unused.stderr).toContain('--set partition.epoch=0.5: no recipe of none.yaml has a partition');

    // A static reference has no partition to change.
    const forced = await ablate(
      'more.yaml',
      '--set',
      'training.epochs=1',
      '--set',
      'partition.epoch=0.5',
      '--out',
      'whole',
      '--force',
      '--json',
    );
    expect(forced.code).toBe(0);
    expect((JSON.parse(forced.stdout) as AblationDocument).runs.map(({ epochs }) => epochs)).toEqual([1, 1, 1, 1]);
    const again = await ablate(
      'more.yaml',
      '--set',
      'training.epochs=1',
      '--set',
      'partition.epoch=0.5',
      '--out',
      'whole',
      '--force',
      '--json',
    );
    expect(again).toMatchObject({ code: 0, stderr: '' });
  }, 120_000);

  it('say before they start what the runs that are there can show, and how many seeds a difference needs', async () => {
    writeFileSync(
      join(cwd, 'arms.yaml'),
      'recipe: static.yaml\nseeds: [1, 2]\ndifference: 5\n' +
        'arms: { slow start: { set: { training.warmupEpochs: 0.5 } } }\n',
    );
    const parameters = ['arms.yaml', '--set', 'training.epochs=1', '--out', 'arms'];
    const first = await ablate(...parameters);
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toMatch(
      /^2 recipes × 2 seeds: 4 runs\nIn 80 % .* 11\.5 times .*\nSo 5 points can be shown where that deviation is at most 0\.433\.\nA difference of 5 points needs 5 seeds where .*\n\[1\/4\] training base-seed1\n/,
    );
    expect(first.stdout).toMatch(/\[2\/4\] training slow_start-[0-9a-f]{8}-seed1\n/);
    const { arms } = document('arms');
    expect(arms).toMatchObject([{ name: 'slow start', score: { count: 2 } }]);
    // Scores that deviate: differences of −0.4 and −0.2.
    const scores = { 'base-seed1': 0.9, 'base-seed2': 0.8, [`${arms[0]!.variant}-seed1`]: 0.5 };
    for (const [run, score] of Object.entries({ ...scores, [`${arms[0]!.variant}-seed2`]: 0.6 })) {
      const file = join(cwd, 'arms', run, 'metrics.jsonl');
      writeFileSync(file, readFileSync(file, 'utf8').replace(/"testScore":[\d.]+/, `"testScore":${score}`));
    }
    const again = await ablate(...parameters);
    expect(again.stdout).toMatch(
      /^2 recipes × 2 seeds: 4 runs\nIn 80 % .*\nIt was 14\.1 points in the runs so far \(1 difference, 1 degree of freedom\), so that 163 points can be shown\.\nA difference of 5 points needs 65 seeds\.\nThe base\n/,
    );
  }, 60_000);

  it('take a run by its recipe, whatever its folder is called', async () => {
    const write = (arms: string): void => {
      writeFileSync(join(cwd, 'named.yaml'), `recipe: static.yaml\nseeds: [1]\n${arms}`);
    };
    const named = () => ablate('named.yaml', '--set', 'training.epochs=1', '--out', 'named', '--json');
    write('sweeps: [{ training.learningRate: [0.01, 0.02] }]\n');
    expect(await named()).toMatchObject({ code: 0 });
    const before = checksums(join(cwd, 'named'));
    const runs = (result: CommandResult): unknown =>
      (JSON.parse(result.stdout) as AblationDocument).runs.map(({ variant, run }) => [variant, run]);
    // The same recipes under names of their own, and then the names the other way round.
    write('arms: { low: { set: { training.learningRate: 0.01 } }, high: { set: { training.learningRate: 0.02 } } }\n');
    const second = await named();
    expect(second).toMatchObject({ code: 0, stderr: '' });
    expect(runs(second)).toEqual([
      ['base', 'named/base-seed1'],
      ['low', 'named/training.learningRate=0.01-seed1'],
      ['high', 'named/training.learningRate=0.02-seed1'],
    ]);
    const after = checksums(join(cwd, 'named'));
    for (const [file, checksum] of before) if (!file.includes('ablation.')) expect(after.get(file)).toBe(checksum);
    // A name that has become another's is given to no second run.
    write(
      'arms:\n  training.learningRate=0.02: { set: { training.learningRate: 0.01 } }\n' +
        '  high: { set: { training.learningRate: 0.02 } }\n' +
        '  training.learningRate=0.01: { set: { training.learningRate: 0.03 } }\n',
    );
    const third = await named();
    expect(third).toMatchObject({ code: 0 });
    expect(third.stderr).toMatch(/^\[4\/4\] training training\.learningRate=0\.01-seed1\n$/);
    expect(runs(third)).toEqual([
      ['base', 'named/base-seed1'],
      ['training.learningRate=0.02', 'named/training.learningRate=0.01-seed1'],
      ['high', 'named/training.learningRate=0.02-seed1'],
      [
        'training.learningRate=0.01',
        expect.stringMatching(/^named\/training\.learningRate=0\.01-seed1-[0-9a-f]{8}$/) as string,
      ],
    ]);
    expect(await named()).toMatchObject({ code: 0, stderr: '' });
  }, 60_000);

  it.skipIf(!hasTerminals)(
    'come after a bar for every run on a terminal, each with its own pace',
    () => {
      const parameters = ['none.yaml', '--set', 'training.epochs=1', '--out', 'bars'].join(' ');
      const { status, stdout } = spawnSync(
        'script',
        ['-qec', `${process.execPath} ${program} ablate ${parameters}`, '/dev/null'],
        { cwd, encoding: 'utf8' },
      );
      expect(status).toBe(0);
      const [, first, second] = stdout.split(/\[\d\/2\] training/);
      for (const run of [first!, second!]) {
        // A bar from its beginning to its end, and nothing that is left below nothing.
        expect(run).toMatch(/[█░]{20} \d+ %  epoch 1 {2}loss \d/);
        expect(run).not.toMatch(/-\d+ s left/);
      }
    },
    60_000,
  );

  it('apply --set to what arms make of a recipe', async () => {
    writeFileSync(
      join(cwd, 'made.yaml'),
      'recipe: static.yaml\narms: { partial: { set: { model.layer: partial, partition.epoch: 0.5 } } }\n',
    );
    const sets = ['training.epochs=1', 'partition.ratio=0.2', 'training.earlyStopping.patience=1'];
    const made = await ablate(
      'made.yaml',
      ...[...sets, 'data.validation.fraction=0.25'].flatMap((each) => ['--set', each]),
      ...['--out', 'made', '--json'],
    );
    expect(made.code).toBe(0);
    const { runs } = JSON.parse(made.stdout) as AblationDocument;
    expect(runs.map(({ recipe }) => recipe.partition?.ratio)).toEqual([undefined, 0.2]);
  }, 60_000);

  it('say which run failed, and have the others', async () => {
    writeFileSync(
      join(cwd, 'fails.yaml'),
      'recipe: static.yaml\nsweeps: [{ training.learningRate: [0.05, 1.0e30] }]\n',
    );
    const { code, stdout, stderr } = await ablate('fails.yaml', '--set', 'training.epochs=1');
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^padnet: training\.learningRate=1e\+30-seed1 failed: the loss is not finite at step \d+: .*\n1 of 2 runs is missing\n$/,
    );
    expect(stdout).toMatch(/^1e\+30 +failed +– /m);
    expect(document('runs/fails').failed).toMatchObject([{ variant: 'training.learningRate=1e+30', seed: 1 }]);
  }, 60_000);
});

describe('--tune', () => {
  const validation = ['--set', 'training.epochs=1', '--set', 'data.validation.fraction=0.25'];
  const command = (values: string): string[] => {
    const tune = `training.learningRate=${values}`;
    return ['ablate', 'tuned.yaml', ...validation, '--tune', tune, '--out', 'tuned'];
  };
  const trained = (stdout: string): string[] =>
    [...stdout.matchAll(/^\[\d\/\d\] (?:training|resuming) (.*)$/gm)].map((match) => match[1]!);

  beforeAll(() => {
    writeFileSync(
      join(cwd, 'tuned.yaml'),
      'recipe: static.yaml\nseeds: [1, 2]\narms: { smooth: { set: { training.labelSmoothing: 0.1 } } }\n',
    );
  });

  it('trains every try once, also after an interruption, and what was chosen with all seeds', async () => {
    let stopped = false;
    const first = await padnet(command('1.0e30,0.05'), {
      cwd,
      onLine: (line, child) => {
        if (!stopped && line.startsWith('[2/4] ')) child.kill('SIGINT');
        stopped ||= line.startsWith('[2/4] ');
      },
    });
    expect(first.code).toBe(130);
    expect(first.stdout).toMatch(
      /^2 recipes × 2 seeds: 4 runs, after 4 tries of training\.learningRate on validation data\n/,
    );
    expect(trained(first.stdout)).toEqual(['tune/training.learningRate=1e+30-seed1', 'tune/base-seed1']);
    expect(first.stderr).toMatch(/^padnet: tune\/training\.learningRate=1e\+30-seed1 diverged: the loss is not finite/);
    const second = await padnet(command('1.0e30,0.05'), { cwd });
    expect(second.code).toBe(0);
    // The one that was stopped may have been at its end.
    expect(trained(second.stdout).filter((name) => name !== 'tune/base-seed1')).toEqual([
      'tune/smooth,training.learningRate=1e+30-seed1',
      'tune/smooth-seed1',
      'base-seed2',
      'smooth-seed2',
    ]);
    const { tuning, base, arms, runs, failed } = document('tuned');
    expect(tuning).toMatchObject({ keys: ['training.learningRate'], seeds: [1] });
    for (const { chosen, tries } of tuning!.networks) {
      expect(chosen!.values).toEqual(['0.05']);
      expect(tries.map(({ score }) => score)).toEqual([null, expect.any(Number)]);
      expect(tries[0]!.diverged).toMatch(/^the loss is not finite at step 2: /);
    }
    expect([base, arms[0]!].map(({ tuned, score }) => [tuned, score!.count])).toEqual([
      [['0.05'], 2],
      [['0.05'], 2],
    ]);
    expect(runs.map(({ run }) => run)).toEqual([
      'tuned/tune/base-seed1',
      'tuned/tune/smooth-seed1',
      'tuned/base-seed2',
      'tuned/smooth-seed2',
    ]);
    expect(failed).toEqual([]);
    const before = checksums(join(cwd, 'tuned/tune'));
    const third = await padnet(command('1.0e30,0.05'), { cwd });
    expect({ code: third.code, stderr: third.stderr, trained: trained(third.stdout) }).toEqual({
      code: 0,
      stderr: '',
      trained: [],
    });
    expect(checksums(join(cwd, 'tuned/tune'))).toEqual(before);

    // As where the outputs of the network overflow on the validation data.
    const events = join(cwd, 'tuned/tune/smooth-seed1/metrics.jsonl');
    writeFileSync(
      events,
      readFileSync(events, 'utf8').replaceAll(/"validationScore":[\d.]+/g, '"validationScore":null'),
    );
    const lost = await padnet(command('1.0e30,0.05'), { cwd });
    expect(lost.code).toBe(1);
    expect(lost.stderr).toBe('padnet: smooth failed: all values that it was tried with diverged\n');
    const [, smooth] = document('tuned').tuning!.networks;
    expect(smooth!.tries[1]!.diverged).toMatch(
      /^tuned\/tune\/smooth-seed1 has a validation accuracy that is not a number, as its network's outputs were not; /,
    );
  }, 120_000);

  it('refuses tries that were made with another recipe before anything is trained, but for --force', async () => {
    const other = (...more: string[]) =>
      ablate('tuned.yaml', ...validation.slice(0, 3), 'data.validation.fraction=0.5', ...more, '--out', 'tuned');
    const before = checksums(join(cwd, 'tuned'));
    const refused = await other('--tune', 'training.learningRate=0.05,1.0e30');
    expect({ code: refused.code, stdout: refused.stdout }).toEqual({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(
      /^padnet: tuned\/tune\/base-seed1 was started with another recipe \(there `fraction: 0\.25`, here `fraction: 0\.5`\); .*; --force starts it from the beginning\n$/,
    );
    expect(checksums(join(cwd, 'tuned'))).toEqual(before);
    // The network of which all tries diverge has failed; a divergence of before is gone with its run.
    const file = 'recipe: static.yaml\nsweeps: [{ training.momentum: [0.9] }]\n';
    writeFileSync(join(cwd, 'tuned.yaml'), file);
    const forced = await other('--tune', 'training.learningRate=1.0e30', '--force');
    expect(forced.code).toBe(1);
    expect(forced.stderr).toMatch(
      /^padnet: tune\/training\.learningRate=1e\+30-seed1 diverged: .*\npadnet: base failed: all values that it was tried with diverged\n$/,
    );
    expect(document('tuned').base).toMatchObject({ score: null, failed: [1] });
  }, 60_000);
});

describe('a run that is damaged', () => {
  it.each([
    [
      'metrics.jsonl',
      /^padnet: runs\/fails\/base-seed1\/metrics\.jsonl:1: damaged: expected one JSON event per line; --force starts it from the beginning\n$/,
    ],
  ])('in %s is told, before anything is trained', async (name, message) => {
    const file = join(cwd, 'runs/fails/base-seed1', name);
    const bytes = readFileSync(file);
    writeFileSync(file, `?${bytes.toString()}`);
    const { code, stdout, stderr } = await ablate('fails.yaml', '--set', 'training.epochs=1');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(message);
    writeFileSync(file, bytes);
  });
});

describe('a run that has finished', () => {
  it('is one failed cell where its network is damaged, and ends the command with 1', async () => {
    writeFileSync(join(cwd, 'cells.yaml'), 'recipe: static.yaml\nsweeps: [{ training.momentum: [0.5] }]\n');
    const command = ['cells.yaml', '--set', 'training.epochs=1', '--out', 'cells'];
    expect((await ablate(...command)).code).toBe(0);
    truncateSync(join(cwd, 'cells/base-seed1/model/model.safetensors'), 0);
    rmSync(join(cwd, 'cells/training.momentum=0.5-seed1'), { recursive: true });
    const { code, stdout } = await ablate(...command);
    expect(code).toBe(1);
    expect(stdout).toContain('training training.momentum=0.5-seed1');
    expect(document('cells').failed).toMatchObject([{ variant: 'base', seed: 1 }]);
  }, 60_000);

  it('starts anew with --force where its events are lost', async () => {
    const command = ['cells.yaml', '--set', 'training.epochs=1', '--out', 'cells'];
    rmSync(join(cwd, 'cells/base-seed1/metrics.jsonl'));
    rmSync(join(cwd, 'cells/base-seed1/checkpoints'), { recursive: true, force: true });
    const lost = await ablate(...command);
    expect(lost).toMatchObject({ code: 1, stdout: '' });
    expect(lost.stderr).toMatch(
      /metrics\.jsonl does not say that the run finished; .*; --force starts it from the beginning\n$/,
    );
    expect(await ablate(...command, '--force')).toMatchObject({ code: 0, stderr: '' });
  }, 60_000);
});

it('a name that would move the cursor is told by codes', async () => {
  const { stderr } = await ablate('no\x1b[31mfile.yaml');
  expect(stderr).toBe('padnet: no\\x1b[31mfile.yaml: expected an ablation, but there is no such file\n');
});

it('a link that leads nowhere is no folder', async () => {
  symlinkSync('nowhere', join(cwd, 'dangling'));
  const { code, stderr } = await ablate('none.yaml', '--out', 'dangling');
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: 'padnet: dangling is a broken link, expected a folder\n',
  });
});

it('a folder that another command has is left alone before anything is trained', async () => {
  mkdirSync(join(cwd, 'busy'));
  using _hold = await holdFolder(join(cwd, 'busy'));
  const { code, stdout, stderr } = await ablate('none.yaml', '--out', 'busy');
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain('busy is held by process');
  expect(readdirSync(join(cwd, 'busy'))).toEqual(['.padnet.lock']);
});

describe('bad usage', () => {
  it.each([
    [['nowhere.yaml'], 1, 'nowhere.yaml: expected an ablation, but there is no such file'],
    [
      ['static.yaml'],
      1,
      /^padnet: static\.yaml:2: model: unknown key; an ablation has recipe, seeds, difference, references, arms, sweeps, tune, tuneSeeds\n/,
    ],
    [
      ['ablation.yaml', '--set', 'training.epoch=1'],
      2,
      '--set training.epoch=1: training.epoch: unknown key; did you mean training.epochs?',
    ],
    [['bad.yaml'], 1, 'bad.yaml:2: partition.ratio: expected a number from 0 to 1, got 1.5'],
    [
      ['ablation.yaml', '--tune', 'training.learningRate=0.02,0.05'],
      1,
      'pad.yaml: what is tuned is chosen on validation data, and base has none; give every recipe ' +
        'data.validation.fraction, such as by --set data.validation.fraction=0.1',
    ],
    [
      ['ablation.yaml', '--tune-seeds', '1,2'],
      2,
      '--tune-seeds: nothing is tuned; give --tune key=values, or tune in the file',
    ],
    [
      ['ablation.yaml', '--tune', 'training.learningRates=1'],
      1,
      '--tune training.learningRates=1: training.learningRates: unknown key; did you mean training.learningRate?',
    ],
    [
      ['ablation.yaml', '--tune', 'training.learningRate'],
      2,
      '--tune training.learningRate: expected key=values, such as training.learningRate=0.02,0.05,0.1',
    ],
  ])('%j', async (parameters, expectedCode, message) => {
    writeFileSync(join(cwd, 'bad.yaml'), 'recipe: pad.yaml\nsweeps: [{ partition.ratio: [0.1, 1.5] }]\n');
    const { code, stdout, stderr } = await ablate(...parameters, '--out', 'nothing');
    expect({ code, stdout }).toEqual({ code: expectedCode, stdout: '' });
    if (typeof message === 'string') expect(stderr).toBe(`padnet: ${message}\n`);
    else expect(stderr).toMatch(message);
    expect(existsSync(join(cwd, 'nothing'))).toBe(false);
  });
});
