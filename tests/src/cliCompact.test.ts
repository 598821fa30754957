/** `padnet compact`, and `padnet convert --to training` back: trained runs as one file, and as networks again. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseRecipe, trainRecipe } from 'padnet';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand, type CommandResult } from '../../packages/padnet/dist/cli/runCommand.test.fixture.js';
import { checksums, tinyRecipe, writePictures } from './padnetProcess.js';
import { writeTinyEncoder, writeTinyGlue, writeTinyGlueRecipes } from './tinyGlue.js';

let cwd: string;
const run = (...parameters: string[]): Promise<CommandResult> => runCommand(parameters, { cwd });

async function succeed(...parameters: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...parameters);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

async function json<T>(...parameters: string[]): Promise<T> {
  return JSON.parse(await succeed(...parameters, '--json')) as T;
}

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'padnet-compact-'));
  writePictures(join(cwd, 'pictures'));
  writeTinyEncoder(join(cwd, 'encoder'));
  writeTinyGlue(join(cwd, 'glue'));
  writeTinyGlueRecipes(cwd);
  writeFileSync(join(cwd, 'pictures.yaml'), tinyRecipe('pad'));
  const pictures = [`data.path=${join(cwd, 'pictures')}`];
  await train('pictures.yaml', 'pictures-pad', pictures);
  await train('pictures.yaml', 'pictures-static', [...pictures, 'model.layer=static', 'partition=null']);
  await train('rte-pad50.yaml', 'texts-pad', [
    `data.path=${join(cwd, 'glue')}`,
    `model.pretrained=${join(cwd, 'encoder')}`,
  ]);
});

/** In this process, which is quicker than one of its own. */
async function train(file: string, out: string, sets: readonly string[]): Promise<void> {
  const recipe = parseRecipe(readFileSync(join(cwd, file), 'utf8'), file, sets);
  for await (const { type } of trainRecipe(recipe, { out: join(cwd, 'runs', out) }))
    expect(type).not.toBe('interrupted');
}

afterAll(() => {
  rmSync(cwd, { recursive: true, force: true });
});

interface Size {
  readonly bytes: number;
  readonly parts: Readonly<Record<string, { readonly numbers: number; readonly bytes: number }>>;
  readonly descriptionBytes: number;
  readonly entries: number;
  readonly dynamicEntries: number;
  readonly formulaBytes: number;
  readonly others: Readonly<Record<string, number>>;
}

describe('compact', () => {
  it('writes a run on pictures, and says what is in the file and what other forms would take', async () => {
    const { bytes, parts, descriptionBytes, others, ...size } = await json<Size>(
      'compact',
      'runs/pictures-pad',
      '--out',
      'pad.safetensors',
    );
    expect(statSync(join(cwd, 'pad.safetensors')).size).toBe(bytes);
    expect(Object.values(parts).reduce((sum, part) => sum + part.bytes, descriptionBytes)).toBe(bytes);
    const n =
      8 * 8 * 9 * 2 + (1 + 2) * 8 * 16 * 9 + 8 * 16 + (2 + 4) * 8 * 16 * 2 * 9 + 16 * 32 + (4 + 4) * 16 * 64 * 9;
    expect(size.entries).toBeGreaterThan(n / 2);
    expect(size.dynamicEntries / size.entries).toBeCloseTo(0.3, 2);
    expect(parts.dynamic).toEqual({ numbers: 4 * size.dynamicEntries, bytes: 16 * size.dynamicEntries });
    expect(parts.static!.numbers).toBe(size.entries - size.dynamicEntries);
    expect(parts.maskBits).toEqual({ numbers: size.entries, bytes: size.entries / 8 });
    expect(size.formulaBytes).toBe(bytes - descriptionBytes);
    expect(others.published! - others.dynamic!).toBe(4 * 2 * size.entries);
    expect(others.static).toBeLessThan(bytes);

    const lines = (await succeed('compact', 'runs/pictures-pad', '--out', 'pad.safetensors')).split('\n');
    expect(lines[0]).toMatch(/^ +numbers +bytes +of the file$/);
    expect(lines.slice(2, 8).map((line) => line.slice(0, 34).trimEnd())).toEqual([
      'dynamic',
      'static',
      'bits of masks',
      'rest: routers, biases, other layers'.slice(0, 34),
      'names and description',
      'total',
    ]);
    expect(lines[9]).toMatch(
      /^n = [\d.]+ k, κ = 30\.0 %: 4·\(\(1 − κ\)n \+ Kκn\) \+ n\/8 \+ rest = [\d.]+ kB; the file has \+\d\.\d\d %$/,
    );
    expect(lines[13]).toMatch(/^PAD-Net, this file +[\d.]+ kB +1\.00$/);
    expect(lines.at(-2)).toMatch(/^[\d.]+ kB in pad\.safetensors$/);
  });

  it('writes smaller numbers: half the bytes, and a quarter', async () => {
    const bytes = new Map<string, number>();
    for (const dtype of ['float32', 'float16', 'bfloat16', 'int8']) {
      const out = `${dtype}.safetensors`;
      const { parts } = await json<Size>('compact', 'runs/pictures-pad', '--dtype', dtype, '--out', out);
      bytes.set(dtype, parts.dynamic!.bytes + parts.static!.bytes);
    }
    expect(bytes.get('float16')).toBe(bytes.get('float32')! / 2);
    expect(bytes.get('bfloat16')).toBe(bytes.get('float32')! / 2);
    expect(bytes.get('int8')! / bytes.get('float32')!).toBeCloseTo(0.25, 1);
  });

  it('writes a static network, and an encoder as Hugging Face saves it', async () => {
    for (const network of ['runs/pictures-static', 'encoder']) {
      const out = await succeed('compact', network, '--out', 'static.safetensors');
      expect(out).toMatch(/^weights and biases +/m);
      expect(out).not.toContain('κ');
    }
  });

  it.each<[string[], number, RegExp]>([
    [['runs/none', '--out', 'x.safetensors'], 1, /runs\/none: there is no such folder/],
    [['pictures', '--out', 'x.safetensors'], 1, /pictures has no network; expected the folder of a run/],
    [
      ['runs/pictures-pad', '--out', 'pictures.yaml'],
      1,
      /pictures\.yaml is there already and is not a compact file of padnet, so it is not replaced/,
    ],
    [
      ['runs/pictures-pad', '--out', 'runs/pictures-pad/model/model.safetensors'],
      1,
      /model\.safetensors is there already and is not a compact file/,
    ],
    [['runs/pictures-pad', '--out', 'runs'], 1, /runs is a folder, expected a file/],
    [['runs/pictures-pad', '--out', 'x.safetensors', '--dtype', 'float8'], 2, /did you mean float32\?/],
    [['runs/pictures-pad'], 2, /required option '--out <file>'/],
    [
      ['pad.safetensors', '--out', 'x.safetensors'],
      1,
      /pad\.safetensors is a compact file; `padnet convert pad\.safetensors --to training/,
    ],
  ])('refuses %j', async (parameters, code, message) => {
    const before = checksums(join(cwd, 'runs'));
    const result = await run('compact', ...parameters);
    expect(result.code).toBe(code);
    expect(result.stderr).toMatch(message);
    expect(result.stderr.trimEnd()).not.toContain('\n');
    expect(existsSync(join(cwd, 'x.safetensors'))).toBe(false);
    expect(checksums(join(cwd, 'runs'))).toEqual(before);
  });
});

describe('convert --to training', () => {
  it('makes a network that answers as the run, of which the same file is made', async () => {
    await succeed('compact', 'runs/pictures-pad', '--out', 'pad.safetensors');
    const converted = await json('convert', 'pad.safetensors', '--to', 'training', '--out', 'networks/pad');
    expect(converted).toMatchObject({
      from: 'pad.safetensors',
      to: 'training',
      dtype: 'float32',
      layerName: 'PAD-Net',
    });
    expect(readdirSync(join(cwd, 'networks/pad')).sort()).toEqual(['model.json', 'model.safetensors']);
    await succeed('compact', 'networks/pad', '--out', 'again.safetensors');
    expect(readFileSync(join(cwd, 'again.safetensors'))).toEqual(readFileSync(join(cwd, 'pad.safetensors')));
    const data = ['--recipe', 'runs/pictures-pad/recipe.yaml'];
    const [was, is] = await Promise.all([
      json<{ accuracy: number; loss: number }>('eval', 'runs/pictures-pad'),
      json<{ accuracy: number; loss: number }>('eval', 'networks/pad', ...data),
    ]);
    expect(is.accuracy).toBe(was.accuracy);
    expect(is.loss).toBeCloseTo(was.loss, 4);
  });

  it('makes a network that trains on, and that convert and inspect take', async () => {
    await succeed('compact', 'runs/pictures-pad', '--dtype', 'float16', '--out', 'half.safetensors');
    await succeed('convert', 'half.safetensors', '--to', 'training', '--out', 'networks/half');
    const sets = ['model.pretrained=networks/half', 'data.path=pictures'];
    const options = sets.flatMap((set) => ['--set', set]);
    const tuned = await run('train', 'pictures.yaml', ...options, '--out', 'runs/tuned');
    expect(tuned).toMatchObject({ code: 0, stderr: '' });
    expect(await succeed('inspect', 'networks/half')).toContain('DynamicConv2d partial');
    await succeed('convert', 'networks/half', '--layer', 'dynamic', '--out', 'networks/half-dynamic');
  });

  it('brings tokenizer, task and experts of a network for texts back', async () => {
    await succeed('compact', 'runs/texts-pad', '--out', 'texts.safetensors');
    const text = await succeed('convert', 'texts.safetensors', '--to', 'training', '--out', 'networks/texts');
    expect(text).toMatch(/^dynamic ratio κ +50\.0 %$/m);
    expect(readFileSync(join(cwd, 'networks/texts/vocab.txt'))).toEqual(readFileSync(join(cwd, 'encoder/vocab.txt')));
    const answers = (network: string, ...options: string[]): Promise<string> =>
      succeed('predict', network, 'good film', 'sad plot', ...options);
    expect(await answers('networks/texts', '--experts')).toBe(await answers('runs/texts-pad', '--experts'));
    await succeed('compact', 'networks/texts', '--out', 'again.safetensors');
    expect(readFileSync(join(cwd, 'again.safetensors'))).toEqual(readFileSync(join(cwd, 'texts.safetensors')));
    // A folder that has one already.
    const again = await run('convert', 'texts.safetensors', '--to', 'training', '--out', 'networks/texts');
    expect(again.stderr).toMatch(/^padnet: networks\/texts has a network already, .*--force replaces it/);
    await succeed('convert', 'texts.safetensors', '--to', 'training', '--out', 'networks/texts', '--force');
  });

  it('leaves nothing where the file is none', async () => {
    mkdirSync(join(cwd, 'bad'), { recursive: true });
    const whole = readFileSync(join(cwd, 'pad.safetensors'));
    writeFileSync(join(cwd, 'bad/short.safetensors'), whole.subarray(0, whole.length / 2));
    writeFileSync(join(cwd, 'bad/text.safetensors'), 'not tensors');
    const cases: [string, RegExp][] = [
      [
        'bad/short.safetensors',
        /^padnet: bad\/short\.safetensors: tensor .* expected a file that `padnet compact` wrote$/,
      ],
      ['bad/text.safetensors', /^padnet: bad\/text\.safetensors: wrong header length/],
      [
        'runs/pictures-pad/model/model.safetensors',
        /model\.safetensors is not a compact file; expected one that `padnet compact` wrote/,
      ],
      [
        'runs/pictures-pad',
        /is a folder, expected a compact file; `padnet compact runs\/pictures-pad --out <file>` writes one/,
      ],
      ['bad/none.safetensors', /bad\/none\.safetensors.*no such file/],
    ];
    for (const [file, message] of cases) {
      const { code, stderr } = await run('convert', file, '--to', 'training', '--out', 'networks/bad');
      expect(code).toBe(1);
      expect(stderr.trimEnd()).toMatch(message);
      expect(stderr.trimEnd()).not.toContain('\n');
      expect(existsSync(join(cwd, 'networks/bad/model.json'))).toBe(false);
    }
  });

  it.each<[string[], RegExp]>([
    [['--out', 'networks/x'], /required option --layer <kind> not specified/],
    [
      ['--layer', 'static', '--to', 'training', '--out', 'networks/x'],
      /--layer and --to both say what the network becomes/,
    ],
    [['--to', 'trainig', '--out', 'networks/x'], /did you mean training\?/],
    [
      ['--to', 'training', '--ratio', '0.3', '--out', 'networks/x'],
      /--ratio is for --layer; a compact file says itself/,
    ],
  ])('refuses %j', async (parameters, message) => {
    const { code, stderr } = await run('convert', 'pad.safetensors', ...parameters);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });

  it('is what other commands say where they are given a compact file', async () => {
    const wayOut =
      /pad\.safetensors is a compact file; `padnet convert \S*pad\.safetensors --to training --out <folder>` makes a network/;
    const commands = [
      ['predict', 'pad.safetensors', 'x.png'],
      ['convert', 'pad.safetensors', '--layer', 'static', '--out', 'networks/x'],
      ['train', 'pictures.yaml', '--set', 'model.pretrained=pad.safetensors', '--out', 'runs/x'],
    ];
    for (const command of commands) {
      const { code, stderr } = await run(...command);
      expect(code).toBe(1);
      expect(stderr).toMatch(wayOut);
    }
  });
});
