/**
 * Folders of picture files by the command line: from training to report, and everything that can be wrong with a
 * picture.
 */
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { runCommand, type CommandResult } from '../../packages/padnet/dist/cli/runCommand.test.fixture.js';

let cwd: string;
/** Paths in what it says begin in the folder of the test. */
const run = async (...parameters: string[]): Promise<CommandResult> => {
  const { code, stdout, stderr } = await runCommand(parameters, { cwd });
  const shortened = (text: string): string => text.replaceAll(`${cwd}/`, '');
  return { code, stdout: shortened(stdout), stderr: shortened(stderr) };
};

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'padnet-pictures-'));
  for (const [split, count] of [
    ['train', 12],
    ['val', 4],
  ] as const)
    for (const [name, mean] of [
      ['dark', 60],
      ['light', 190],
    ] as const)
      for (let index = 0; index < count; index++) await write(`${split}/${name}/${index}.jpg`, noise(mean));
  for (const layer of ['static', 'pad'] as const) writeFileSync(join(cwd, `${layer}.yaml`), recipe(layer));
});

afterAll(() => {
  rmSync(cwd, { recursive: true, force: true });
});

function noise(mean: number, width = 60, height = 48): Sharp {
  const options = { type: 'gaussian', mean, sigma: 30 } as const;
  return sharp({ create: { width, height, channels: 3, background: '#000', noise: options } }).jpeg();
}

async function write(path: string, contents: Sharp | Uint8Array): Promise<string> {
  const file = join('pictures', path);
  mkdirSync(join(cwd, dirname(file)), { recursive: true });
  writeFileSync(join(cwd, file), contents instanceof Uint8Array ? contents : await contents.toBuffer());
  return file;
}

function recipe(network: 'static' | 'pad'): string {
  return `
model:
  name: resnet10
  layer: ${network === 'pad' ? 'partial' : 'static'}
  stem: small
  width: 8
data:
  name: imageFolder
  path: pictures
  size: 24
  batchSize: 8
  randomFlip: true
  colorJitter: { brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0.02 }
  randAugment: { numOps: 1, magnitude: 5 }
  randomErasing: { probability: 0.25 }
training:
  epochs: 3
  learningRate: 0.02
  mixup: 0.1
  cutmix: 1
${network === 'pad' ? 'partition:\n  ratio: 0.3\n  rounds: 2\n  batches: 2' : ''}
`;
}

it('goes from files to a report, with every augmentation', { timeout: 60_000 }, async () => {
  for (const layer of ['static', 'pad']) {
    const { code, stdout, stderr } = await run('train', `${layer}.yaml`);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('epoch 3/3');
  }
  const { stdout } = await run('eval', 'runs/pad', '--json');
  expect(JSON.parse(stdout)).toMatchObject({ images: 8 });
  const compared = await run('compare', 'runs/static', 'runs/pad', '--out', 'report.html');
  expect(compared).toMatchObject({ code: 0, stderr: '' });
  expect(readFileSync(join(cwd, 'report.html'), 'utf8')).toContain('light');
});

describe('a folder with pictures that cannot be used', () => {
  const added: string[] = [];
  /** Those that are found before training: file and reason. */
  let bad: (readonly [string, string])[];
  let damaged: string;

  beforeAll(async () => {
    const jpeg = await noise(60, 300, 240).toBuffer();
    const withoutRows = Buffer.from(jpeg);
    withoutRows.writeUInt16BE(0, jpeg.indexOf(Buffer.from([0xff, 0xc0])) + 5);
    const background = '#000';
    const huge = sharp({ create: { width: 10_000, height: 10_000, channels: 3, background } }).png({
      compressionLevel: 1,
    });
    bad = [
      [await write('train/dark/empty.jpg', Buffer.alloc(0)), 'the file is empty'],
      [await write('train/dark/huge.png', huge), '10000×10000 pixels are more than the 67108864 that are decoded'],
      [await write('train/dark/letter.png', Buffer.from('Dear reader,')), 'its contents are not a picture'],
      [await write('train/dark/truncated.jpg', jpeg.subarray(0, jpeg.length >> 1)), 'it is damaged or cut off'],
      [await write('train/dark/zero.jpg', withoutRows), ''],
      ['pictures/train/light/unreadable.jpg', 'it is a broken link'],
    ];
    symlinkSync('nowhere.jpg', join(cwd, bad[5]![0]));
    const broken = Buffer.from(jpeg);
    broken.fill(0xff, broken.length >> 2, broken.length - 8); // the ends are whole
    damaged = await write('train/light/damaged.jpg', broken);
    added.push(...bad.map(([file]) => file), damaged, await write('train/light/jpeg.png', jpeg));
  });

  afterAll(() => {
    for (const file of added) rmSync(join(cwd, file));
  });

  it('is refused before training, each of them named', async () => {
    const { code, stderr } = await run('train', 'static.yaml', '--out', 'refused');
    expect(code).toBe(1);
    const lines = stderr.trimEnd().split('\n');
    for (const [file, reason] of bad.slice(0, 5))
      expect(lines.find((line) => line.includes(`${file}: `))).toContain(reason);
    expect(lines.slice(5)).toEqual([
      'padnet: and 1 more',
      'padnet: 6 pictures cannot be used: replace or remove them, or set data.onBadPicture to skip',
    ]);
  });

  it('is trained on without them with onBadPicture: skip, each of them counted and named once', async () => {
    const skipping = ['train', 'static.yaml', '--set', 'data.onBadPicture=skip', '--out', 'runs/skip'];
    const { code, stdout, stderr } = await run(...skipping, '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    interface Told {
      readonly type: string;
      readonly file: string;
      readonly reason: string;
      readonly count: number;
    }
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Told);
    const told = events.filter(({ type }) => type === 'badPicture');
    expect(told.map(({ file }) => file)).toEqual([...bad.map(([file]) => file), damaged]);
    for (const [index, [, reason]] of bad.entries()) expect(told[index]!.reason).toContain(reason);
    expect(told.map(({ count }) => count)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    // 24 whole ones, and the JPEG that calls itself PNG, in each of the three epochs.
    const steps = events.filter(({ type }) => type === 'step') as unknown as { epoch: number; samples: number }[];
    for (const epoch of [1, 2, 3]) {
      const samples = steps.filter((step) => step.epoch === epoch).map((step) => step.samples);
      expect(samples.reduce((sum, each) => sum + each, 0)).toBe(25);
    }
    const plain = await run(...skipping, '--force');
    expect(plain.stdout).toContain(`skipped ${bad[0]![0]}: the file is empty (1 so far)\n`);
    expect(plain.stdout).toContain(`skipped ${damaged}: `);
  });
});

describe('class folders', () => {
  const refusal = async (): Promise<string> => {
    const { code, stderr } = await run('train', 'static.yaml', '--out', 'refused');
    expect(code).toBe(1);
    return stderr;
  };

  it('that differ between train and val are refused, in a line each', async () => {
    renameSync(join(cwd, 'pictures/val/light'), join(cwd, 'pictures/val/bright'));
    const stderr = await refusal();
    renameSync(join(cwd, 'pictures/val/bright'), join(cwd, 'pictures/val/light'));
    expect(stderr).toBe(
      'padnet: pictures/val: class light of train is missing\npadnet: pictures/train: class bright of val is missing\n',
    );
  });

  it('without a picture are refused', async () => {
    for (const split of ['train', 'val']) mkdirSync(join(cwd, 'pictures', split, 'none'));
    const stderr = await refusal();
    for (const split of ['train', 'val']) rmSync(join(cwd, 'pictures', split, 'none'), { recursive: true });
    expect(stderr).toBe(
      'padnet: pictures/train: class none has no picture that can be used\n' +
        'padnet: pictures/val: class none has no picture that can be used\n',
    );
  });
});
