/** From a recipe to a report by the command line, on pictures small enough to take seconds. */
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { runCommand, type CommandResult } from '../../packages/padnet/dist/cli/runCommand.test.fixture.js';
import { checksums, padnet, tinyRecipe, writePictures } from './padnetProcess.js';

let cwd: string;
const run = (...parameters: string[]): Promise<CommandResult> => runCommand(parameters, { cwd });

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'padnet-train-'));
  writePictures(join(cwd, 'pictures'));
  for (const layer of ['static', 'dyconv', 'pad'] as const) {
    writeFileSync(join(cwd, `${layer}.yaml`), tinyRecipe(layer, { epochs: 4 }));
    const { code, stdout, stderr } = await run('train', `${layer}.yaml`);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('epoch 4/4');
    expect(stdout).toContain('finished: test accuracy');
  }
});

afterAll(() => {
  rmSync(cwd, { recursive: true, force: true });
});

describe('train', () => {
  it('leaves a complete run', () => {
    for (const name of [
      'recipe.yaml',
      'environment.json',
      'metrics.jsonl',
      'partition.safetensors',
      'model/model.json',
    ]) {
      expect(existsSync(join(cwd, 'runs/pad', name)), name).toBe(true);
    }
  });

  it('learns', async () => {
    const { stdout } = await run('eval', 'runs/static', '--json');
    expect((JSON.parse(stdout) as { accuracy: number }).accuracy).toBeGreaterThan(0.8);
  });

  it('leaves a run alone that is there already', async () => {
    const before = checksums(join(cwd, 'runs/static'));
    const { code, stdout, stderr } = await run('train', 'static.yaml');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toBe(
      'padnet: runs/static already has a run; --resume goes on with it, --force starts it from the beginning\n',
    );
    const other = await run('train', 'static.yaml', '--resume', '--seed', '9');
    expect(other).toMatchObject({ code: 1, stdout: '' });
    expect(other.stderr).toMatch(
      /^padnet: runs\/static was started with another recipe \(there `seed: 1`, here `seed: 9`\); .*\n$/,
    );
    expect(checksums(join(cwd, 'runs/static'))).toEqual(before);
  });

  it('says that a finished run is finished', async () => {
    const { code, stdout } = await run('train', '--resume', 'runs/static', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ type: 'finished', epoch: 4, step: 24 });
  });

  it('starts anew with --force, and tells events as JSON', async () => {
    const { code, stdout } = await run(
      'train',
      'static.yaml',
      '--set',
      'training.epochs=1',
      '--out',
      'runs/again',
      '--json',
    );
    expect(code).toBe(0);
    const types = stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { type: string }).type);
    expect(types.filter((type) => type === 'step')).toHaveLength(6);
    expect(types.slice(-1)).toEqual(['finished']);
    const again = await run(
      'train',
      'static.yaml',
      '--set',
      'training.epochs=2',
      '--out',
      'runs/again',
      '--force',
      '--json',
    );
    expect(again.code).toBe(0);
    expect(readFileSync(join(cwd, 'runs/again/recipe.yaml'), 'utf8')).toContain('epochs: 2\n');
  });

  const stoppable = ['train', 'pad.yaml', '--set', 'training.epochs=5', '--json'];
  const weightsOf = (folder: string): Buffer => readFileSync(join(cwd, folder, 'model/model.safetensors'));
  beforeAll(async () => {
    expect((await run(...stoppable, '--out', 'runs/whole')).code).toBe(0);
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'on %s saves and says how to go on; resumed, it ends as if never stopped',
    async (name) => {
      const folder = `runs/${name}`;
      let steps = 0;
      const stopped = await padnet([...stoppable, '--out', folder], {
        cwd,
        onLine: (line, child) => {
          if (line.includes('"type":"step"') && ++steps === 9) child.kill(name);
        },
      });
      expect(stopped.code).toBe({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[name]);
      const [, step] = /stopped at step (\d+), saved; resume with: padnet train --resume runs\/SIG[A-Z]+\n$/.exec(
        stopped.stderr,
      )!;
      expect(Number(step)).toBeLessThan(30);
      expect(existsSync(join(cwd, folder, 'model/model.json'))).toBe(false);

      const unfinished = await run('eval', folder);
      expect(unfinished).toMatchObject({ code: 1, stdout: '' });
      expect(unfinished.stderr).toContain(`padnet train --resume ${folder}`);

      const resumed = await run('train', '--resume', folder, '--json');
      expect(resumed).toMatchObject({ code: 0, stderr: '' });
      expect(weightsOf(folder).equals(weightsOf('runs/whole'))).toBe(true);
    },
  );
});

describe('eval', () => {
  it('gives accuracy by class', async () => {
    const { code, stdout } = await run('eval', 'runs/pad', '--json');
    expect(code).toBe(0);
    const result = JSON.parse(stdout) as {
      accuracy: number;
      images: number;
      classes: { images: number; accuracy: number }[];
    };
    expect(result.images).toBe(40);
    expect(result.classes.map(({ images }) => images)).toEqual([10, 10, 10, 10]);
    const mean = result.classes.reduce((sum, { accuracy }) => sum + accuracy / 4, 0);
    expect(result.accuracy).toBeCloseTo(mean);
    const events = readFileSync(join(cwd, 'runs/pad/metrics.jsonl'), 'utf8').trim().split('\n');
    expect(JSON.parse(events.at(-1)!)).toMatchObject({ type: 'finished', testScore: result.accuracy });
  });

  it('takes other pictures', async () => {
    const { stdout } = await run('eval', 'runs/pad', '--set', 'data.testLimit=20');
    expect(stdout).toMatch(/^test accuracy .* %, loss .*\n20 pictures in /);
  });
});

describe('convert', () => {
  it.each(['dyconv', 'pad'])('folds a run of %s to a static network and says what it costs', async (layer) => {
    interface Conversion {
      readonly before: { stored: { parameters: number }; macs: number };
      readonly after: { stored: { parameters: number }; macs: number };
      readonly difference: number;
      readonly cost: Record<'before' | 'after', { score: number; loss: number; seconds: number }>;
    }
    const out = `networks/${layer}`;
    const converted = await run('convert', `runs/${layer}`, '--layer', 'static', '--out', out, '--json');
    expect(converted).toMatchObject({ code: 0, stderr: '' });
    const { before, after, difference, cost } = JSON.parse(converted.stdout) as Conversion;
    const score = async (...parameters: string[]): Promise<{ accuracy: number; loss: number }> =>
      JSON.parse((await run('eval', ...parameters, '--json')).stdout) as { accuracy: number; loss: number };
    const [dynamic, folded, plain] = await Promise.all([
      score(`runs/${layer}`),
      score(out, '--recipe', `runs/${layer}/recipe.yaml`),
      run('inspect', 'runs/static', '--json'),
    ]);
    expect(cost.before).toMatchObject({ score: dynamic.accuracy });
    expect(cost.before.loss).toBeCloseTo(dynamic.loss, 5);
    expect(cost.after).toMatchObject({ score: folded.accuracy });
    expect(cost.after.loss).toBeCloseTo(folded.loss, 5);
    expect(cost.after.seconds).toBeGreaterThan(0);
    expect(difference).toBeGreaterThan(0);
    // Routers of a short training hardly decide: their mean serves nearly as well.
    expect(cost.after.score).toBeGreaterThan(cost.before.score - 0.1);
    const { parameters, macs } = JSON.parse(plain.stdout) as { parameters: number; macs: number };
    expect([after.stored.parameters, after.macs]).toEqual([parameters, macs]);
    expect(before.macs).toBeGreaterThan(macs);

    // And on from there, as any static network.
    const options = ['--set', `model.pretrained=${out}`, '--set', 'training.epochs=1', '--out', `runs/${layer}-tuned`];
    const tuned = await run(
      'train',
      `${layer}.yaml`,
      ...options,
      '--set',
      'partition=null',
      '--set',
      'model.layer=dynamic',
    );
    expect(tuned).toMatchObject({ code: 0, stderr: '' });
    const recipe = readFileSync(join(cwd, `runs/${layer}-tuned/recipe.yaml`), 'utf8');
    expect(recipe).toContain(`pretrained: ${join(cwd, out)}\n`);
    expect(recipe).toContain('bankInitialisation: copies\n');
    expect((await score(`runs/${layer}-tuned`)).accuracy).toBeGreaterThan(cost.after.score - 0.1);

    const text = await run('convert', `runs/${layer}`, '--layer', 'static', '--out', out, '--force');
    expect(text.stdout).toMatch(/^test accuracy +\d+\.\d\d % +\d+\.\d\d %$/m);
    expect(text.stdout).toMatch(/^time of 1 picture +\S+ [mµ]?s +\S+ [mµ]?s$/m);
  });

  it('takes the former names of kinds of layers, and tells the new ones', async () => {
    const options = ['--layer', 'pad', '--ratio', '0.3', '--out', 'networks/former', '--json'];
    const { code, stdout, stderr } = await run('convert', 'runs/static', ...options);
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'padnet: --layer: pad is called partial now\n' });
    expect(JSON.parse(stdout)).toMatchObject({ layer: 'partial' });
    expect(readFileSync(join(cwd, 'networks/former/model.json'), 'utf8')).toContain('"layer": "partial"');
  });

  it('says what cannot be folded, and what a network without data needs', async () => {
    const dynamic = await run('convert', 'runs/dyconv', '--layer', 'dynamic', '--out', 'networks/wrong');
    expect(dynamic.stderr).toBe('padnet: runs/dyconv is dynamic already\n');
    const model = await run('convert', 'runs/dyconv/model', '--layer', 'static', '--out', 'networks/wrong');
    expect(model.stderr).toMatch(
      /^padnet: runs\/dyconv\/model has no data of its own, on which to measure .* with --recipe <file>\n$/,
    );
    const option = await run('convert', 'runs/dyconv', '--layer', 'static', '--noise', '1', '--out', 'networks/wrong');
    expect(option.stderr).toContain('--noise is for what becomes dynamic, not --layer static');
    const threshold = await run('eval', 'runs/static', '--coefficient-threshold', '0.1');
    expect(threshold.stderr).toContain(
      '--coefficient-threshold is for convolutions that mix kernels; runs/static has none',
    );
    const evaluated = await run('eval', 'runs/dyconv/model');
    expect(evaluated.stderr).toMatch(/^padnet: runs\/dyconv\/model is a network without data of its own; .*--recipe/);
    expect([dynamic, model, option, threshold, evaluated].map(({ code }) => code)).toEqual([1, 1, 2, 2, 1]);
    expect(existsSync(join(cwd, 'networks/wrong'))).toBe(false);
  });
});

describe('inspect', () => {
  it('prints a trained network, and files of tensors', async () => {
    const { code, stdout } = await run('inspect', 'runs/pad', '--json');
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as { dynamicRatio: number }).dynamicRatio).toBeCloseTo(0.3, 2);
    const weights = await run('inspect', 'runs/pad/model/model.safetensors');
    expect(weights.code).toBe(0);
    expect(weights.stdout).toMatch(/^conv1\.weight +float32 +8×1×3×3 +72$/m);
    const masks = await run('inspect', 'runs/pad/partition.safetensors');
    expect(masks.stdout).toMatch(/^κ = 0\.3 by maskGradient of each entry, global, on 2 batches\n/);
  });

  it('says which routers are dead, where the test data are there', async () => {
    const { stdout, stderr } = await run('inspect', 'runs/dyconv');
    expect(stderr).toBe('');
    const [sentence = 'none'] = /(None|\d+) of \d+ routers? (is|are) dead.*$/m.exec(stdout) ?? [];
    expect(sentence).not.toBe('none');
    expect(stdout.match(/ dead: \w+ /g) ?? []).toHaveLength(Number.parseInt(sentence) || 0);
    renameSync(join(cwd, 'pictures'), join(cwd, 'away'));
    try {
      const without = await run('inspect', 'runs/dyconv');
      expect(without.code).toBe(0);
      expect(without.stderr).toMatch(/^padnet: without the routers of runs\/dyconv: .*pictures.*\n$/);
      expect(without.stdout).not.toContain('router');
      expect((await run('inspect', 'runs/static')).stderr).toBe('');
    } finally {
      renameSync(join(cwd, 'away'), join(cwd, 'pictures'));
    }
  });

  it('refuses a file that is damaged', async () => {
    const bytes = readFileSync(join(cwd, 'runs/pad/model/model.safetensors'));
    writeFileSync(join(cwd, 'cut.safetensors'), bytes.subarray(0, bytes.length - 5));
    const { code, stdout, stderr } = await run('inspect', 'cut.safetensors');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^padnet: cut\.safetensors: .*\n$/);
  });
});

describe('partition and mask', () => {
  it('finds masks for a fully dynamic network, shows and compares them', async () => {
    const before = checksums(join(cwd, 'runs/dyconv'));
    const options = ['--rounds', '1', '--batches', '2', '--out', 'half.safetensors'];
    const { code, stdout } = await run('partition', 'runs/dyconv', '--ratio', '0.5', ...options, '--json');
    expect(code).toBe(0);
    const result = JSON.parse(stdout) as { file: string; dynamicRatio: number; settings: unknown };
    expect(result.file).toBe('half.safetensors');
    // Many entries of the last layers never meet a pixel: their scores are 0, and ties become static.
    expect(result.dynamicRatio).toBeGreaterThan(0.3);
    expect(result.dynamicRatio).toBeLessThanOrEqual(0.5);
    expect(result.settings).toMatchObject({ ratio: 0.5, rounds: 1, schedule: 'exponential', batches: 2 });
    expect(checksums(join(cwd, 'runs/dyconv'))).toEqual(before);

    const kept = JSON.parse(readFileSync(join(cwd, 'half.json'), 'utf8')) as object;
    expect(kept).toEqual({ format: 'padnet-partition-results-1', ...(JSON.parse(stdout) as object) });
    expect(kept).toMatchObject({ network: 'runs/dyconv', fold: 'byUse', metric: 'accuracy' });
    for (const key of ['scoreBefore', 'scoreAfter', 'lossBefore', 'lossAfter'])
      expect(Number.isFinite(Reflect.get(kept, key))).toBe(true);

    const again = await run('partition', 'runs/dyconv', '--ratio', '0.3', ...options);
    expect(again).toEqual({
      code: 1,
      stdout: '',
      stderr: 'padnet: half.safetensors exists already; --force replaces it, --out <file> writes another\n',
    });

    const shown = await run('mask', 'show', 'half.safetensors', '--json');
    expect(JSON.parse(shown.stdout)).toMatchObject({ dynamicRatio: result.dynamicRatio });
    const diff = await run('mask', 'diff', 'runs/pad', 'half.safetensors', '--json');
    const { jaccard, layers } = JSON.parse(diff.stdout) as { jaccard: number; layers: unknown[] };
    expect(jaccard).toBeGreaterThan(0);
    expect(jaccard).toBeLessThan(1);
    expect(layers).toHaveLength(11);
    const same = await run('mask', 'diff', 'runs/pad', 'runs/pad');
    expect(same.stdout).toContain('\n100.0 % of the entries that are dynamic in either are dynamic in both\n');
    expect((await run('mask', 'show', 'runs/pad')).stdout).toMatch(/^total .* 30\.0 %$/m);
  });

  it('trains with the masks of a file', async () => {
    const found = await run('partition', 'runs/dyconv', '--ratio', '0.4', '--granularity', 'kernel');
    expect(found).toMatchObject({ code: 0, stderr: '' });
    expect(found.stdout).toMatch(/^round 1 of 3: .* %.*\n/);
    const file = 'runs/dyconv/partition-0.4.safetensors';
    const masks = ['--set', `partition={ ratio: 0.4, masks: ${file} }`];
    expect((await run('train', 'pad.yaml', ...masks, '--out', 'runs/masked')).code).toBe(0);
    const { stdout } = await run('mask', 'diff', file, 'runs/masked', '--json');
    expect((JSON.parse(stdout) as { jaccard: number }).jaccard).toBe(1);
  });

  it('finds none for a static network, and no more than a partial one has', async () => {
    const still = await run('partition', 'runs/static', '--ratio', '0.3');
    expect({ ...still, stderr: '' }).toEqual({ code: 1, stdout: '', stderr: '' });
    expect(still.stderr).toMatch(
      /^padnet: runs\/static is static already, .* `padnet convert runs\/static --layer dynamic .*\n$/,
    );
    const partial = await run('partition', 'runs/pad', '--ratio', '0.5');
    expect(partial).toMatchObject({ code: 1, stdout: '' });
    expect(partial.stderr).toMatch(
      /^padnet: runs\/pad is partial with κ = 0\.\d+, .*: expected a ratio of at most that, got 0\.5\n$/,
    );
  });

  it.each([
    [['--ratio', '1.3'], '--ratio 1.3: expected a number from 0 to 1, got 1.3'],
    [['--ratio', '0.3', '--rounds', '0'], '--rounds 0: expected a whole number from 1 to 1000, got 0'],
    [
      ['--ratio', '0.3', '--scope', 'globl'],
      '--scope globl: expected one of global, local, got "globl"; did you mean global?',
    ],
  ])('%j', async (parameters, message) => {
    expect(await run('partition', 'runs/dyconv', ...parameters)).toEqual({
      code: 2,
      stdout: '',
      stderr: `padnet: ${message}\n`,
    });
  });
});

describe('compare', () => {
  it('prints a table and writes the report', async () => {
    const { code, stdout, stderr } = await run(
      'compare',
      'runs/static',
      'runs/dyconv',
      'runs/pad',
      '--out',
      'out/report.html',
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^run +static +dyconv +pad\n/);
    expect(stdout).toMatch(/^ +static +DY-Conv +PAD-Net$/m);
    expect(stdout.trimEnd().endsWith(`report: out/report.html`)).toBe(true);
    const report = readFileSync(join(cwd, 'out/report.html'), 'utf8');
    expect(report).toMatch(/^<!doctype html>/);
    expect(report).not.toMatch(/(?:src|href)="https?:/);
  });

  it('gives the same as JSON', async () => {
    const { code, stdout } = await run('compare', 'runs/static', 'runs/pad', '--json');
    expect(code).toBe(0);
    const { report, runs } = JSON.parse(stdout) as { report: string; runs: { name: string; testSamples: number }[] };
    expect(report).toBe(join(cwd, 'report.html'));
    expect(runs).toMatchObject([
      { name: 'static', layer: 'static', testSamples: 40, kappa: { reached: 0 } },
      { name: 'pad', layer: 'partial', testSamples: 40, kappa: { target: 0.3 } },
    ]);
  });
});
