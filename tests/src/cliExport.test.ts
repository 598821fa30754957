/** `padnet export`: from trained runs to answers of @padnet/runtime, and what is in the way. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load, type Manifest } from '@padnet/runtime';
import { parseRecipe, trainRecipe } from 'padnet';
import { loadIdxFolder } from 'padnet/data';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand, type CommandResult } from '../../packages/padnet/dist/cli/runCommand.test.fixture.js';
import { checksums, tinyRecipe, writePictures } from './padnetProcess.js';
import { writeTinyEncoder, writeTinyGlue, writeTinyGlueRecipes } from './tinyGlue.js';

let cwd: string;
const run = (...parameters: string[]): Promise<CommandResult> => runCommand(parameters, { cwd });

interface Exported {
  readonly networks: readonly {
    readonly run: string;
    readonly layer: string;
    readonly target: string;
    readonly compactBytes: number;
    readonly difference: number;
    readonly tried: { readonly random: number; readonly given: number };
  }[];
}

async function succeed(...parameters: string[]): Promise<Exported> {
  const { code, stdout, stderr } = await run(...parameters, '--json');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as Exported;
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(cwd, folder, 'padnet.json'), 'utf8')) as Manifest;
}

async function train(text: string, out: string, sets: readonly string[]): Promise<void> {
  const recipe = parseRecipe(text, 'tiny.yaml', sets);
  for await (const { type } of trainRecipe(recipe, { out: join(cwd, out) })) expect(type).not.toBe('interrupted');
}

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'padnet-export-'));
  writePictures(join(cwd, 'pictures'));
  for (const layer of ['static', 'pad'] as const)
    await train(tinyRecipe(layer), layer, [`data.path=${join(cwd, 'pictures')}`]);
  writeTinyEncoder(join(cwd, 'encoder'));
  writeTinyGlue(join(cwd, 'glue'));
  writeTinyGlueRecipes(cwd);
  await train(readFileSync(join(cwd, 'rte-pad50.yaml'), 'utf8'), 'rte', [
    `data.path=${join(cwd, 'glue')}`,
    `model.pretrained=${join(cwd, 'encoder')}`,
    'model.numExperts=3',
  ]);
});

afterAll(() => {
  rmSync(cwd, { recursive: true, force: true });
});

describe('a network for pictures', () => {
  it('is tried on its test data, and answers as padnet predict does', async () => {
    const { networks } = await succeed('export', 'pad', '--out', 'exported/pad');
    expect(networks).toMatchObject([{ run: 'pad', layer: 'partial', target: 'node', tried: { random: 4, given: 32 } }]);
    expect(networks[0]!.difference).toBeLessThan(1e-4);
    const names = ['model.onnx', 'model.safetensors', 'padnet.json', 'weights.bin'];
    expect(
      readdirSync(join(cwd, 'exported/pad'))
        .filter((name) => !name.startsWith('.'))
        .sort(),
    ).toEqual(names);

    const { test } = loadIdxFolder(join(cwd, 'pictures'));
    const classifier = await load(join(cwd, 'exported/pad'));
    if (classifier.modality !== 'image') throw new Error('expected a network for pictures');
    mkdirSync(join(cwd, 'files'));
    const { default: sharp } = await import('sharp');
    for (let index = 0; index < 12; index++) {
      const pixels = test.images.slice(index * 64, (index + 1) * 64);
      const file = join(cwd, 'files', `${index}.png`);
      await sharp(pixels, { raw: { width: 8, height: 8, channels: 1 } })
        .png()
        .toFile(file);
      const raw = { data: pixels, width: 8, height: 8, channels: 1 } as const;
      const [fromPixels, fromFile] = [await classifier.classify(raw), await classifier.classify(file)];
      expect(fromFile.classes).toEqual(fromPixels.classes);
    }
    const predicted = await run('predict', 'pad', 'files', '--json', '--coefficients');
    for (const line of predicted.stdout.trim().split('\n')) {
      const { picture, label, probability, coefficients } = JSON.parse(line) as {
        picture: string;
        label: string;
        probability: number;
        coefficients: { path: string; coefficients: number[] }[];
      };
      const answer = await classifier.classify(join(cwd, picture), { coefficients: true });
      expect(answer.classes[0]!.label).toBe(label);
      expect(answer.classes[0]!.probability).toBeCloseTo(probability, 5);
      expect(answer.coefficients.map(({ layer }) => layer)).toEqual(coefficients.map(({ path }) => path));
      const [found, expected] = [answer.coefficients, coefficients].map((of) =>
        of.flatMap((each) => each.coefficients),
      );
      for (const [index, value] of expected!.entries()) expect(found![index]).toBeCloseTo(value, 5);
    }
    await classifier.release();
  });

  it.each(['float16', 'bfloat16', 'int8'])('may be stored as %s', async (dtype) => {
    const { networks } = await succeed('export', 'pad', '--out', `exported/${dtype}`, '--dtype', dtype);
    const whole = readFileSync(join(cwd, 'exported/pad/model.safetensors')).length;
    expect(networks[0]!.compactBytes).toBeLessThan(0.75 * whole);
    expect(networks[0]!.difference).toBeLessThan(1e-4);
  });

  it('of a static run has no optional outputs; --target web is kept', async () => {
    await succeed('export', 'static', '--out', 'exported/static', '--target', 'web');
    expect(manifestOf('exported/static')).toMatchObject({ layer: 'static', target: 'web', outputs: [] });
  });
});

it('a network for texts takes its tokenizer with it, and answers as padnet predict does', async () => {
  const { networks } = await succeed('export', 'rte', '--out', 'exported/rte');
  expect(networks[0]!.tried.given).toBeGreaterThan(0);
  const pair = ['a cat sat on the mat', 'there is a cat'] as const;
  const predicted = await run('predict', 'rte', ...pair, '--json', '--experts');
  const expected = JSON.parse(predicted.stdout) as {
    tokens: string[];
    probabilities: Record<string, number>;
    experts: { path: string; experts: number[][] }[];
  };
  const classifier = await load(join(cwd, 'exported/rte'));
  if (classifier.modality !== 'text') throw new Error('expected a network for texts');
  const answer = await classifier.classify(...pair, { experts: true });
  expect(answer.tokens).toEqual(expected.tokens);
  for (const { label, probability } of answer.classes)
    expect(probability).toBeCloseTo(expected.probabilities[label]!, 5);
  expect(answer.experts.map(({ layer, experts }) => [layer, experts])).toEqual(
    expected.experts.map(({ path, experts }) => [path, experts]),
  );
  await classifier.release();
});

describe('nothing of somebody else’s is replaced', () => {
  it('an exported network only with --force', async () => {
    await succeed('export', 'static', '--out', 'again');
    const before = checksums(join(cwd, 'again'));
    const refused = await run('export', 'pad', '--out', 'again');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toBe(
      'padnet: again has an exported network already; --force replaces it, or choose another folder\n',
    );
    expect(checksums(join(cwd, 'again'))).toEqual(before);
    await succeed('export', 'pad', '--out', 'again', '--force');
    expect(manifestOf('again').layer).toBe('partial');
  });

  it('--force leaves nothing of what it replaces, and all that is not of padnet', async () => {
    await succeed('export', 'rte', '--out', 'replaced');
    expect(existsSync(join(cwd, 'replaced/vocab.txt'))).toBe(true);
    writeFileSync(join(cwd, 'replaced/notes.txt'), 'mine');
    await succeed('export', 'static', '--out', 'replaced', '--force');
    const names = ['model.onnx', 'model.safetensors', 'notes.txt', 'padnet.json', 'weights.bin'];
    expect(
      readdirSync(join(cwd, 'replaced'))
        .filter((name) => !name.startsWith('.'))
        .sort(),
    ).toEqual(names);

    // A picture network's folder may have them of somebody else.
    writeFileSync(join(cwd, 'replaced/vocab.txt'), 'mine');
    await succeed('export', 'static', '--out', 'replaced', '--force');
    expect(readFileSync(join(cwd, 'replaced/vocab.txt'), 'utf8')).toBe('mine');
  });

  it('--force leaves no networks of the web page before, and changes nothing outside of it', async () => {
    await succeed('export', '--web', 'site', 'pad', 'static');
    expect(readdirSync(join(cwd, 'site/models')).sort()).toEqual(['pad', 'static']);
    mkdirSync(join(cwd, 'site/models/mine'));
    writeFileSync(join(cwd, 'site/models/mine/notes.txt'), 'mine');
    writeFileSync(join(cwd, 'notes.txt'), 'mine');
    const site = join(cwd, 'site/site.json');
    const { files, ...rest } = JSON.parse(readFileSync(site, 'utf8')) as { files: string[] };
    writeFileSync(site, JSON.stringify({ ...rest, files: [...files, 'chunk-old.js', '../notes.txt', 5] }));
    writeFileSync(join(cwd, 'site/chunk-old.js'), '');
    await succeed('export', '--web', 'site', 'static', '--force');
    expect(readdirSync(join(cwd, 'site/models')).sort()).toEqual(['mine', 'static']);
    expect(existsSync(join(cwd, 'site/chunk-old.js'))).toBe(false);
    expect(existsSync(join(cwd, 'site/models/mine/notes.txt'))).toBe(true);
    expect(existsSync(join(cwd, 'notes.txt'))).toBe(true);
  });

  it('files of the same names never', async () => {
    mkdirSync(join(cwd, 'mine'));
    writeFileSync(join(cwd, 'mine/model.onnx'), 'precious');
    for (const more of [[], ['--force']]) {
      const refused = await run('export', 'pad', '--out', 'mine', ...more);
      expect(refused.stderr).toBe(
        'padnet: mine/model.onnx is no file that padnet has written; choose another folder\n',
      );
    }
    expect(readFileSync(join(cwd, 'mine/model.onnx'), 'utf8')).toBe('precious');
    expect(readdirSync(join(cwd, 'mine')).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('a run never', async () => {
    const refused = await run('export', 'static', '--out', 'pad', '--force');
    expect(refused.stderr).toBe('padnet: pad is a training run; choose another folder\n');
    expect(existsSync(join(cwd, 'pad/padnet.json'))).toBe(false);
  });
});

describe('bad usage', () => {
  it.each([
    [['pad'], 'say where the network goes with --out <folder>, or a web page with --web <folder>'],
    [['pad', '--out', 'a', '--web', 'b'], '--out is for a network and --web for a page: give one of them'],
    [['pad', 'static', '--out', 'a'], '--out is for one run; --web shows several side by side'],
    [['pad', 'pad', 'pad', 'pad', 'pad', '--web', 'a'], '--web shows four networks at most'],
    [
      ['pad', '--out', 'a', '--target', 'phone'],
      "option '--target <name>' argument 'phone' is invalid. Known are node, web",
    ],
  ])('%j', async (parameters, message) => {
    const { code, stderr } = await run('export', ...parameters);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });

  it('a folder without a network is named', async () => {
    const { code, stderr } = await run('export', 'nowhere', '--out', 'a');
    expect([code, stderr]).toEqual([1, 'padnet: nowhere: there is no such folder\n']);
  });

  it('a run whose data are gone is tried on random inputs alone, and says so', async () => {
    await train(tinyRecipe('static', { epochs: 1 }), 'lost', [`data.path=${join(cwd, 'pictures')}`]);
    const recipe = join(cwd, 'lost/recipe.yaml');
    writeFileSync(recipe, readFileSync(recipe, 'utf8').replace(join(cwd, 'pictures'), join(cwd, 'gone')));
    const { code, stdout, stderr } = await run('export', 'lost', '--out', 'exported/lost');
    expect(code).toBe(0);
    expect(stderr).toMatch(/^padnet: the test data of lost cannot be read: /);
    expect(stdout).toContain('lost has no test data here: its graph was tried on random inputs alone');
  });
});
