/** `padnet predict` and `padnet eval --data` on pictures: files, folders and streams, and what cannot be answered. */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { evaluate, loadRunModel, parseRecipe, trainRecipe } from 'padnet';
import { loadIdxFolder } from 'padnet/data';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand, type CommandResult } from '../../packages/padnet/dist/cli/runCommand.test.fixture.js';
import { padnet, tinyRecipe, writePictures } from './padnetProcess.js';

let cwd: string;
const run = (...parameters: string[]): Promise<CommandResult> => runCommand(parameters, { cwd });

/** Class folders of 8 dark and 8 light pictures, and IDX pictures of four classes. */
beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'padnet-predict-'));
  for (const [name, mean] of [
    ['dark', 60],
    ['light, or bright', 190],
  ] as const) {
    mkdirSync(join(cwd, 'shades', name), { recursive: true });
    for (let index = 0; index < 8; index++) {
      const [width, height, channels] = [40 + index, 32, 3] as const;
      const grey = (_: unknown, at: number): number => mean + ((Math.imul(at + index, 2654435761) >>> 24) - 128) / 4;
      const picture = sharp(Uint8Array.from({ length: width * height * channels }, grey), {
        raw: { width, height, channels },
      });
      writeFileSync(join(cwd, 'shades', name, `${index}.jpg`), await picture.jpeg().toBuffer());
    }
  }
  writePictures(join(cwd, 'quarters'));
  const data = (name: string, path: string, more: readonly string[] = []): string[] => [
    `data.name=${name}`,
    `data.path=${join(cwd, path)}`,
    ...more,
  ];
  await train(
    'pad',
    'shades',
    data('imageFolder', 'shades', [
      'data.size=16',
      'data.batchSize=4',
      'training.epochs=12',
      'training.temperature.epochs=1',
    ]),
  );
  await train('static', 'quarters', data('idx', 'quarters'));
});

async function train(layer: 'static' | 'pad', out: string, sets: readonly string[]): Promise<void> {
  const recipe = parseRecipe(tinyRecipe(layer), 'tiny.yaml', sets);
  for await (const { type } of trainRecipe(recipe, { out: join(cwd, 'runs', out) }))
    expect(type).not.toBe('interrupted');
}

afterAll(() => {
  rmSync(cwd, { recursive: true, force: true });
});

const dark = 'shades/dark/0.jpg';
const light = 'shades/light, or bright/0.jpg';

describe('predict', () => {
  it('answers a picture by a table of classes, and how its kernels are mixed', async () => {
    const { code, stdout, stderr } = await run('predict', 'runs/shades', light, '--coefficients');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.split('\n');
    expect(lines[0]).toBe('class             probability');
    expect(lines[2]).toMatch(/^light, or bright +\d+\.\d\d %$/);
    expect(lines[3]).toMatch(/^dark +\d+\.\d\d %$/);
    expect(lines[5]).toMatch(/^layer +α1 +α2 +α3 +α4$/);
    const layer = lines.find((line) => line.startsWith('layer1.0.conv1'))!;
    const coefficients = layer.split(/ +/).slice(1).map(Number);
    expect(coefficients).toHaveLength(4);
    expect(coefficients.reduce((sum, each) => sum + each)).toBeCloseTo(1, 2);
  });

  it('answers several, of folders and files, a line each', async () => {
    const { code, stdout } = await run('predict', 'runs/shades', 'shades/dark', light);
    expect(code).toBe(0);
    const [heading, , ...lines] = stdout.trimEnd().split('\n');
    expect(heading).toBe('class             probability  picture');
    expect(lines.map((line) => line.slice(31))).toEqual([
      ...Array.from({ length: 8 }, (_, index) => `shades/dark/${index}.jpg`),
      light,
    ]);
    expect(lines.map((line) => line.slice(0, 16).trimEnd())).toEqual([
      ...Array<string>(8).fill('dark'),
      'light, or bright',
    ]);
  });

  it('names and counts what it cannot answer, in every form, and ends with 1', async () => {
    mkdirSync(join(cwd, 'odd'), { recursive: true });
    writeFileSync(join(cwd, 'odd/note "b", c.txt'), 'no picture');
    copyFileSync(join(cwd, dark), join(cwd, 'odd/A.JPG'));
    execFileSync('mkfifo', [join(cwd, 'odd/pipe')]);
    const forms = [[], ['--json'], ['--csv']];
    const results = await Promise.all(forms.map((form) => run('predict', 'runs/shades', 'odd', 'none.png', ...form)));
    const reasons = [
      'its contents are not a picture, expected JPEG, PNG, WebP, GIF, TIFF or AVIF',
      'it is a named pipe, not a file',
      'there is no such file',
    ];
    for (const { code, stderr } of results) {
      expect(code).toBe(1);
      expect(stderr).toBe(
        `padnet: odd/note "b", c.txt: ${reasons[0]!}\npadnet: odd/pipe: ${reasons[1]!}\n` +
          `padnet: none.png: ${reasons[2]!}\npadnet: 3 of 4 pictures could not be answered\n`,
      );
    }
    const [table, json, csv] = results.map(({ stdout }) => stdout.trimEnd().split('\n')) as [
      string[],
      string[],
      string[],
    ];
    expect(table.slice(2)).toEqual([expect.stringMatching(/^dark .* odd\/A\.JPG$/)]);
    const rows = json.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(rows.map(({ picture, error }) => [picture, error])).toEqual([
      ['odd/A.JPG', undefined],
      ['odd/note "b", c.txt', reasons[0]],
      ['odd/pipe', reasons[1]],
      ['none.png', reasons[2]],
    ]);
    expect(rows[0]).toMatchObject({ label: 'dark', top: [{ label: 'dark' }, { label: 'light, or bright' }] });
    expect(csv[0]).toBe('picture,label,probability,error');
    expect(csv[1]).toMatch(/^odd\/A\.JPG,dark,(0\.\d+|1),$/);
    expect(csv.slice(2)).toEqual([
      `"odd/note ""b"", c.txt",,,"${reasons[0]!}"`,
      `odd/pipe,,,"${reasons[1]!}"`,
      `none.png,,,${reasons[2]!}`,
    ]);
  });

  it('quotes classes in CSV, and says as many as are asked for', async () => {
    const { stdout } = await run('predict', 'runs/shades', dark, light, '--csv', '--top', '7');
    const [heading, first, second] = stdout.split('\n');
    expect(heading).toBe('picture,label,probability,label2,probability2,error');
    expect(first).toMatch(/^shades\/dark\/0\.jpg,dark,[\d.]+,"light, or bright",[\d.e-]+,$/);
    expect(second).toMatch(/^"shades\/light, or bright\/0\.jpg","light, or bright",[\d.]+,dark,[\d.e-]+,$/);
  });

  it('reads a picture, or names of pictures, from standard input', async () => {
    const [named, ofBytes, ofNames] = await Promise.all([
      run('predict', 'runs/shades', dark, '--json'),
      new Promise<string>((resolve) => {
        const program = new URL('../../packages/padnet/bin/padnet.js', import.meta.url).pathname;
        const command = `${process.execPath} ${program} predict runs/shades - --json < ${dark}`;
        resolve(execFileSync('bash', ['-c', command], { cwd, encoding: 'utf8' }));
      }),
      padnet(['predict', 'runs/shades', '--file', '-', '--json'], { cwd, input: `${dark}\r\n\n${light}\n` }),
    ]);
    const answer = JSON.parse(named.stdout) as object;
    expect(JSON.parse(ofBytes)).toEqual({ ...answer, picture: 'standard input' });
    const [first, second] = ofNames.stdout
      .split('\n')
      .map((line) => (line === '' ? null : (JSON.parse(line) as object)));
    expect(first).toMatchObject({ picture: dark, label: 'dark' });
    expect(second).toMatchObject({ picture: light, label: 'light, or bright' });
  });

  it('reads names from files as other lines of text', async () => {
    const names = `\ufeff${dark}\r${light}\r`;
    writeFileSync(join(cwd, 'names.txt'), gzipSync(names));
    const { code, stdout } = await run('predict', 'runs/shades', '--file', 'names.txt', '--csv');
    expect({ code, lines: stdout.split('\n').length }).toEqual({ code: 0, lines: 4 });
    writeFileSync(join(cwd, 'names.txt'), Buffer.from(names, 'utf16le'));
    const tries = [
      ['names.txt', 'names.txt: is UTF-16, expected UTF-8; save it as UTF-8 (a spreadsheet\'s "CSV UTF-8")'],
      [dark, `${dark}: line 1 holds the character NUL; is it a text file?`],
    ] as const;
    for (const [file, message] of tries) {
      const { code, stderr } = await run('predict', 'runs/shades', '--file', file);
      expect({ code, stderr }).toEqual({ code: 1, stderr: `padnet: ${message}\n` });
    }
  });

  it('gives IDX pictures saved as PNG the answers of evaluation', async () => {
    const model = loadRunModel(join(cwd, 'runs/quarters'));
    if (model.modality !== 'image') throw new Error('expected a network for pictures');
    const { test } = loadIdxFolder(join(cwd, 'quarters'));
    const { predictions } = await evaluate(model.network, test, { normalise: model.description.normalise });
    mkdirSync(join(cwd, 'png'));
    for (let index = 0; index < test.length; index++) {
      const pixels = test.images.slice(64 * index, 64 * (index + 1));
      const picture = sharp(pixels, { raw: { width: 8, height: 8, channels: 1 } }).png();
      writeFileSync(join(cwd, `png/${String(index).padStart(3, '0')}.png`), await picture.toBuffer());
    }
    const { code, stdout } = await run('predict', 'runs/quarters', 'png', '--json');
    expect(code).toBe(0);
    const labels = stdout
      .trimEnd()
      .split('\n')
      .map((line) => Number((JSON.parse(line) as { label: string }).label));
    expect(labels).toEqual([...predictions]);
    // Any other picture is made grey, and of that size.
    expect((await run('predict', 'runs/quarters', dark)).code).toBe(0);
  });

  it('answers by a converted network', async () => {
    expect((await run('convert', 'runs/quarters', '--layer', 'dynamic', '--out', 'networks/dy')).code).toBe(0);
    const picture = 'quarter.png';
    const noise = { type: 'gaussian', mean: 128, sigma: 60 } as const;
    const made = sharp({ create: { width: 8, height: 8, channels: 3, background: '#000', noise } });
    writeFileSync(join(cwd, picture), await made.png().toBuffer());
    const answers = await Promise.all(['runs/quarters', 'networks/dy'].map((path) => run('predict', path, picture)));
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[0]!.code).toBe(0);
  });

  it('says which options do not fit', async () => {
    const cases: readonly [parameters: string, message: string][] = [
      [`${dark} --experts`, '--experts is for runs on texts; runs/shades is on pictures'],
      [`${dark} --json --csv`, '--json and --csv are two forms of the answer: give one of them'],
      [`${dark} --csv --coefficients`, '--coefficients is for the table and --json, not for --csv'],
      [`${dark} --file names.txt`, `--file names.txt and ${dark} both say what is asked about: give one of them`],
      ['', 'give pictures or a sentence, or a file that lists them with --file'],
      ['- -', '- is standard input: give it once'],
    ];
    const results = await Promise.all(
      cases.map(([parameters]) => run('predict', 'runs/shades', ...parameters.split(' ').filter(Boolean))),
    );
    for (const [index, { code, stderr }] of results.entries())
      expect({ code, stderr }).toEqual({ code: 2, stderr: `padnet: ${cases[index]![1]}\n` });
    mkdirSync(join(cwd, 'nothing'));
    const { code, stderr } = await run('predict', 'runs/shades', 'nothing');
    expect({ code, stderr }).toEqual({ code: 1, stderr: 'padnet: nothing: there is no file in it\n' });
  });

  it('says that a static network has no coefficients', async () => {
    const { code, stderr } = await run('predict', 'runs/quarters', dark, '--coefficients');
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'padnet: no convolution of runs/quarters mixes kernels, so there are no coefficients\n',
    });
  });
});

describe('eval', () => {
  interface Evaluation {
    readonly accuracy: number;
    readonly images: number;
    readonly classes: readonly { readonly name: string; readonly images: number }[];
  }

  it('of a run is on the pictures that split.json keeps for it', async () => {
    const { code, stdout } = await run('eval', 'runs/shades', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ images: 4, classes: [{ images: 2 }, { images: 2 }] });
  });

  it('--data is on new pictures in folders of its classes, without those that cannot be used', async () => {
    mkdirSync(join(cwd, 'new/dark'), { recursive: true });
    for (const name of readdirSync(join(cwd, 'shades/dark')))
      copyFileSync(join(cwd, 'shades/dark', name), join(cwd, 'new/dark', name));
    const whole = await run('eval', 'runs/shades', '--data', 'new', '--json');
    expect({ code: whole.code, stderr: whole.stderr }).toEqual({ code: 0, stderr: '' });
    const result = JSON.parse(whole.stdout) as Evaluation;
    expect(result).toMatchObject({ images: 8, classes: [{ name: 'dark', images: 8 }, { images: 0 }] });
    expect(result.accuracy).toBeGreaterThan(0.5);
    writeFileSync(join(cwd, 'new/dark/torn.png'), readFileSync(join(cwd, dark)).subarray(0, 300));
    const torn = await run('eval', 'runs/shades', '--data', 'new', '--json');
    expect(torn.code).toBe(1);
    expect((JSON.parse(torn.stdout) as Evaluation).accuracy).toBe(result.accuracy);
    expect(torn.stderr).toBe(
      'padnet: left out: new/dark/torn.png: it is damaged or cut off\npadnet: 1 of 9 pictures could not be evaluated\n',
    );
    renameSync(join(cwd, 'new/dark'), join(cwd, 'new/dusk'));
    const unknown = await run('eval', 'runs/shades', '--data', 'new');
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain('new: the network has no class dusk, only dark, light, or bright; rename');
  });

  it('--data without folders of classes is predicted', async () => {
    const [evaluated, predicted] = await Promise.all([
      run('eval', 'runs/shades', '--data', 'shades/dark'),
      run('predict', 'runs/shades', 'shades/dark'),
    ]);
    expect(evaluated.code).toBe(0);
    expect(evaluated).toEqual(predicted);
  });

  it('--data needs no recipe, and takes none', async () => {
    const cases: readonly [parameters: string, message: string][] = [
      [
        'runs/shades --data shades --recipe tiny.yaml',
        '--data and --recipe both say what runs/shades is evaluated on: give one of them',
      ],
      [
        'runs/shades --data shades --set data.testLimit=3',
        '--data and --set both say what runs/shades is evaluated on: give one of them',
      ],
      [
        'runs/shades --data shades/dark --batch-size 1',
        'shades/dark has no folders of classes, so its pictures are predicted, without --batch-size',
      ],
    ];
    for (const [parameters, message] of cases) {
      const { code, stderr } = await run('eval', ...parameters.split(' '));
      expect({ code, stderr }).toEqual({ code: 2, stderr: `padnet: ${message}\n` });
    }
  });
});
