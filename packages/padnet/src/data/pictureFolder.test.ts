import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import sharp, { type Sharp } from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { InputError } from '../errors.js';
import type { BadPicture } from './badPicture.js';
import { DataLoader, type DataLoaderOptions } from './dataLoader.js';
import type { PictureFolder } from './dataset.js';
import type { ImageBatch } from './imageBatch.js';
import { pictureFile } from './pictureFiles.js';
import { loadPictureFolder, loadPictureTestSet } from './pictureFolder.js';

let folder: string;
beforeEach(async () => {
  folder = join(mkdtempSync(join(tmpdir(), 'padnet-pictures-')), 'pets');
  for (const split of ['train', 'val']) {
    await write(`${split}/cat/1.png`, plain('#ff0000'));
    await write(`${split}/dog/deep/2.png`, plain('#0000ff'));
  }
});
afterEach(() => {
  rmSync(dirname(folder), { recursive: true });
});

function plain(background: string, width = 40, height = 20): Sharp {
  return sharp({ create: { width, height, channels: 3, background } }).png();
}

/** Gaussian noise as JPEG: large enough to be damaged in the middle. */
function noisy(width = 200, height = 160): Sharp {
  const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const;
  return sharp({ create: { width, height, channels: 3, background: '#808080', noise } }).jpeg();
}

async function write(path: string, contents: Sharp | Uint8Array): Promise<string> {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, contents instanceof Uint8Array ? contents : await contents.toBuffer());
  return file;
}

async function collect(options: DataLoaderOptions, epoch = 0): Promise<ImageBatch[]> {
  const batches: ImageBatch[] = [];
  await using loader = new DataLoader(options);
  for await (const batch of loader.epoch(epoch)) batches.push(batch);
  return batches;
}

/** The pixels of the only picture of a class, 0 to 255, `[channels, height, width]`. */
async function pixels(path: string, contents: Sharp | Uint8Array, size = 8): Promise<number[]> {
  rmSync(join(folder, 'val'), { recursive: true });
  await write(`val/cat/${path}`, contents);
  await write('val/dog/2.png', plain('#0000ff'));
  const { test } = await loadPictureFolder(folder, { size });
  const [batch] = await collect({ dataset: test, batchSize: 1 });
  return Array.from(batch!.images, (value) => Math.round(255 * value));
}

async function refusal(options: Parameters<typeof loadPictureFolder>[1] = {}): Promise<string> {
  const error = await loadPictureFolder(folder, options).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(InputError);
  return (error as Error).message;
}

describe('loadPictureFolder', () => {
  it('takes class folders in order of their names, nested files and all', async () => {
    const { train, test } = await loadPictureFolder(folder, { size: 16 });
    expect(train).toMatchObject({ kind: 'folder', name: 'pets/train', length: 2, channels: 3, height: 16, width: 16 });
    expect(train.classNames).toEqual(['cat', 'dog']);
    expect([...train.labels]).toEqual([0, 1]);
    expect(pictureFile(train.files, 1)).toEqual({ path: 'dog/deep/2.png', width: 40, height: 20, hasAlpha: false });
    const [batch] = await collect({ dataset: test, batchSize: 2 });
    expect(batch!.images.length).toBe(2 * 3 * 256);
    expect([0, 256, 512, 768, 1024, 1280].map((place) => batch!.images[place])).toEqual([1, 0, 0, 0, 0, 1]);
  });

  it('names classes by an ImageNet class index', async () => {
    const classIndex = await write('index.json', Buffer.from('{"0": ["cat", "tabby"], "1": ["dog", "beagle"]}'));
    expect((await loadPictureFolder(folder, { classIndex })).train.classNames).toEqual(['tabby', 'beagle']);
    writeFileSync(classIndex, '{"0": ["cat", "tabby"]}');
    expect(await refusal({ classIndex })).toBe(`data.classIndex: ${classIndex}: the class of folder dog is not in it`);
    writeFileSync(classIndex, '["cat"]');
    expect(await refusal({ classIndex })).toBe(
      `data.classIndex: ${classIndex}: expected a class index, got ["cat"]; write {"0": ["n01440764", "tench"], …}`,
    );
  });

  it('says in one line each where classes differ or are empty', async () => {
    renameSync(join(folder, 'val/dog'), join(folder, 'val/fox'));
    expect(await refusal()).toBe(
      `${folder}/val: class dog of train is missing\n${folder}/train: class fox of val is missing`,
    );
    renameSync(join(folder, 'val/fox'), join(folder, 'val/dog'));
    rmSync(join(folder, 'train/dog/deep/2.png'));
    expect(await refusal()).toBe(`${folder}/train: class dog has no picture that can be used`);
    rmSync(join(folder, 'val'), { recursive: true });
    expect(await refusal()).toBe(
      `${folder}: expected train and val (or test), there is neither val nor test; ` +
        `add it, or set data.path to ${folder}/train, which is then split by itself`,
    );
    renameSync(join(folder, 'train'), join(folder, 'test'));
    expect(await refusal()).toContain(`${folder}: expected train and val (or test), there is no train; add it, or set`);
    rmSync(folder, { recursive: true });
    expect(await refusal()).toContain(
      `${folder}: expected a folder of pictures, but it is not there; set data.path to`,
    );
    writeFileSync(folder, '');
    expect(await refusal()).toContain(`${folder}: expected a folder of pictures, but it is a file; set data.path to`);
  });

  it.each([
    ['Train', 'Test'],
    ['TRAIN', 'Val'],
  ])('takes %s and %s for the parts that they are', async (train, test) => {
    renameSync(join(folder, 'train'), join(folder, train));
    renameSync(join(folder, 'val'), join(folder, test));
    const loaded = await loadPictureFolder(folder);
    expect(loaded.train.classNames).toEqual(['cat', 'dog']);
    expect([loaded.train.name, loaded.test.name]).toEqual([`pets/${train}`, `pets/${test}`]);
    renameSync(join(folder, test), join(folder, 'Valid'));
    expect(await refusal()).toContain(`there is neither val nor test; add it, or set data.path to ${folder}/${train}`);
    await write('train/cat/1.png', plain('#ff0000'));
    expect(await refusal()).toBe(
      `${folder}: expected one folder train, there are ${train} and train; remove or rename one of them`,
    );
  });

  it('names every picture that cannot be used, or leaves them out', async () => {
    const jpeg = await noisy().toBuffer();
    const bad = [
      [await write('train/cat/empty.jpg', Buffer.alloc(0)), 'the file is empty'],
      [await write('train/cat/half.jpg', jpeg.subarray(0, jpeg.length >> 1)), 'it is damaged or cut off'],
      [await write('train/cat/letter.png', Buffer.from('Dear cat,')), 'its contents are not a picture'],
      [await write('train/cat/zero.jpg', zeroHeight(jpeg)), ''],
      [
        await write('train/dog/huge.png', plain('#000', 10_000, 10_000)),
        '10000×10000 pixels are more than the 67108864',
      ],
      [
        await write('train/dog/line.png', plain('#000', 20_001, 2)),
        '20001×2 pixels: one side is more than 10000 times the other',
      ],
      [join(folder, 'train/dog/nowhere.jpg'), 'it is a broken link'],
      [join(folder, 'train/dog/pipe.jpg'), 'it is a named pipe, not a file'],
      [join(folder, 'train/dog/round'), 'it is a link to a folder that it lies in'],
      [
        await write('train/dog/scales.tiff', floatTiff()),
        'its pixels are of type float, expected whole numbers of 8 or 16 bits',
      ],
      [
        await write(
          'train/dog/text.svg',
          Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
        ),
        'its contents are SVG, expected JPEG, PNG, WebP, GIF, TIFF or AVIF',
      ],
      [join(folder, 'train/dog/turn'), 'its symbolic links lead in a circle'],
    ] as const;
    symlinkSync('missing.jpg', bad[6][0]);
    execFileSync('mkfifo', [bad[7][0]]);
    symlinkSync('..', bad[8][0]);
    symlinkSync('turn', bad[11][0]);
    await write('train/dog/actually-jpeg.png', jpeg);
    const message = await refusal();
    for (const [file, reason] of bad.slice(0, 5)) {
      const line = message.split('\n').find((each) => each.startsWith(`${file}: `));
      expect(line).toContain(reason);
    }
    expect(message).toContain(
      '\nand 7 more\n12 pictures cannot be used: replace or remove them, or set data.onBadPicture',
    );
    const told: BadPicture[] = [];
    const { train } = await loadPictureFolder(folder, { onBadPicture: (picture) => told.push(picture) });
    expect(told.map(({ file }) => file)).toEqual(bad.map(([file]) => file));
    for (const [index, [, reason]] of bad.entries()) expect(told[index]!.reason).toContain(reason);
    expect(Array.from({ length: train.length }, (_, index) => pictureFile(train.files, index).path)).toEqual([
      'cat/1.png',
      'dog/actually-jpeg.png',
      'dog/deep/2.png',
    ]);
  });

  it('takes the same random sample with a limit', async () => {
    for (let index = 3; index < 20; index++) await write(`train/dog/${index}.png`, plain('#00ff00'));
    const paths = async (): Promise<string[]> => {
      const { train } = await loadPictureFolder(folder, { trainLimit: 6 });
      return Array.from({ length: train.length }, (_, index) => pictureFile(train.files, index).path);
    };
    const chosen = await paths();
    expect(chosen).toHaveLength(6);
    expect(await paths()).toEqual(chosen);
  });
});

/** 2 × 2 grey pixels of 32-bit floating point. */
function floatTiff(): Buffer {
  const tags = [
    [256, 3, 2],
    [257, 3, 2],
    [258, 3, 32],
    [259, 3, 1],
    [262, 3, 1],
    [273, 4, 8],
    [277, 3, 1],
    [278, 3, 2],
    [279, 4, 16],
    [339, 3, 3],
  ] as const;
  const bytes = Buffer.alloc(26 + 12 * tags.length + 4);
  bytes.write('II*');
  bytes.writeUInt32LE(24, 4);
  [0, 0.3, 0.6, 1].forEach((value, index) => bytes.writeFloatLE(value, 8 + 4 * index));
  bytes.writeUInt16LE(tags.length, 24);
  for (const [index, [tag, type, value]] of tags.entries()) {
    bytes.writeUInt16LE(tag, 26 + 12 * index);
    bytes.writeUInt16LE(type, 28 + 12 * index);
    bytes.writeUInt32LE(1, 30 + 12 * index);
    bytes.writeUInt32LE(value, 34 + 12 * index);
  }
  return bytes;
}

/** A JPEG whose header says that it has no rows. */
function zeroHeight(jpeg: Buffer): Buffer {
  const changed = Buffer.from(jpeg);
  const frame = changed.indexOf(Buffer.from([0xff, 0xc0]));
  changed.writeUInt16BE(0, frame + 5);
  return changed;
}

/** An animation of two frames. */
function frames(): Sharp {
  const frame = (colour: readonly number[]): number[] => Array.from({ length: 300 }, (_, i) => colour[i % 3]!);
  const data = Uint8Array.from([...frame([32, 64, 96]), ...frame([200, 0, 0])]);
  return sharp(data, { raw: { width: 10, height: 20, channels: 3, pageHeight: 10 } }).gif();
}

describe('decoding', () => {
  it.each([
    ['greyscale JPEG', 'a.jpg', () => plain('#404040').greyscale().jpeg({ quality: 100 }), [64, 64, 64]],
    ['16-bit PNG', 'a.png', () => plain('#204060').toColourspace('rgb16').png(), [32, 64, 96]],
    ['WebP', 'a.webp', () => plain('#204060').webp({ lossless: true }), [32, 64, 96]],
    ['GIF', 'a.gif', () => plain('#204060').gif(), [32, 64, 96]],
    ['TIFF', 'a.tif', () => plain('#204060').tiff({ compression: 'lzw' }), [32, 64, 96]],
    ['16-bit TIFF', 'a.tif', () => plain('#204060').toColourspace('rgb16').tiff(), [32, 64, 96]],
    ['AVIF', 'a.avif', () => plain('#204060').avif({ lossless: true }), [32, 64, 96]],
    ['10-bit AVIF', 'a.avif', () => plain('#204060').avif({ lossless: true, bitdepth: 10 }), [32, 64, 96]],
    ['a PNG with an upper-case extension of JPEG', 'A.JPG', () => plain('#204060'), [32, 64, 96]],
    ['the first frame of a GIF', 'a.gif', frames, [32, 64, 96]],
  ])('%s', async (_, path, make, colour) => {
    const found = await pixels(path, make());
    // A 16-bit channel is scaled in floating point by the encoder here: one step of difference.
    for (const [channel, expected] of colour.entries())
      expect(Math.abs(found[64 * channel]! - expected)).toBeLessThanOrEqual(1);
  });

  it.each(['gif', 'tiff', 'avif'] as const)('a %s that is cut off is no picture', async (format) => {
    const whole = await noisy().toFormat(format).toBuffer();
    for (const share of [0.5, 0.95]) {
      await write(`train/cat/cut.${format}`, whole.subarray(0, Math.floor(share * whole.length)));
      expect(await refusal()).toMatch(
        new RegExp(`/cut.${format}: (it is damaged or cut off|its contents are not a picture, expected JPEG, .*)\n`),
      );
    }
  });

  it('CMYK JPEG', async () => {
    const [red, green, blue] = [0, 64, 128].map((place) => place);
    const found = await pixels('a.jpg', plain('#ff0000').toColourspace('cmyk').jpeg({ quality: 100 }));
    expect(found[red!]).toBeGreaterThan(180);
    expect(found[green!]).toBeLessThan(80);
    expect(found[blue!]).toBeLessThan(80);
  });

  it('drops alpha and keeps the colour below it', async () => {
    const background = { r: 200, g: 100, b: 50, alpha: 0 };
    const found = await pixels('a.png', sharp({ create: { width: 40, height: 20, channels: 4, background } }).png());
    expect([0, 64, 128].map((place) => found[place])).toEqual([200, 100, 50]);
  });

  it('turns a picture upright', async () => {
    // The left half is red; turned clockwise it is the upper one.
    const data = Uint8Array.from({ length: 20 * 20 * 3 }, (_, i) => (i % 3 === 0 && i % 60 < 30 ? 255 : 0));
    const raw = sharp(data, { raw: { width: 20, height: 20, channels: 3 } });
    const found = await pixels('a.png', raw.withMetadata({ orientation: 6 }).png());
    expect([found[0], found[7], found[56], found[63]]).toEqual([255, 255, 0, 0]);
  });

  it("evaluates what torchvision's Resize and CenterCrop give", async () => {
    // Grey ramp from left to right, 32 × 16 → shorter side 9 (8 · 256 / 224), so 18 × 9 → 8 × 8 from column 5 on.
    const data = Uint8Array.from({ length: 32 * 16 }, (_, i) => 8 * (i % 32));
    const found = await pixels('a.png', sharp(data, { raw: { width: 32, height: 16, channels: 1 } }).png());
    const scale = 32 / 18;
    // PIL's bilinear filter on a ramp: the centre of each new pixel.
    for (let column = 0; column < 8; column++) {
      const expected = 8 * ((column + 5 + 0.5) * scale - 0.5);
      expect(Math.abs(found[column]! - expected)).toBeLessThanOrEqual(3);
      expect(found[56 + column]).toBe(found[column]);
    }
  });
});

describe('a loader of picture files', () => {
  async function pictures(): Promise<PictureFolder> {
    for (let index = 0; index < 5; index++) await write(`train/cat/n${index}.jpg`, noisy(60 + 20 * index, 50));
    return (await loadPictureFolder(folder, { size: 16 })).train;
  }

  const transform = { randomResizedCrop: { scale: [0.1, 1], ratio: [0.75, 4 / 3] }, randomFlip: true } as const;

  it('gives the same bits for any number of workers, and others in each epoch', async () => {
    const dataset = await pictures();
    const options = { dataset, batchSize: 3, seed: 5, shuffle: true, transform };
    const reference = await collect(options, 1);
    expect(reference.map(({ size }) => size)).toEqual([3, 3, 1]);
    for (const numWorkers of [1, 2]) expect(await collect({ ...options, numWorkers }, 1)).toEqual(reference);
    await using loader = new DataLoader(options);
    const rest: ImageBatch[] = [];
    for await (const batch of loader.epoch(1, { startBatch: 1 })) rest.push(batch);
    expect(rest).toEqual(reference.slice(1));
    const inOrder = { ...options, shuffle: false };
    expect((await collect(inOrder, 0))[0]!.images).not.toEqual((await collect(inOrder, 1))[0]!.images);
  });

  it.each([0, 1])(
    'names a picture that is damaged inside, or leaves it out of its batch (%i workers)',
    async (numWorkers) => {
      const file = await write('train/cat/broken.jpg', noisy());
      const dataset = await pictures();
      const bytes = readFileSync(file);
      bytes.fill(0xff, bytes.length >> 2, bytes.length - 8); // the ends are whole
      writeFileSync(file, bytes);
      const options = { dataset, batchSize: 8, numWorkers };
      await expect(collect(options)).rejects.toThrow(`${file}: `);
      await expect(collect(options)).rejects.toThrow(InputError);
      const told: string[] = [];
      const [batch] = await collect({ ...options, onBadPicture: (picture) => told.push(picture.file) });
      expect(told).toEqual([file]);
      expect(batch!.size).toBe(7);
      expect(batch!.images.length).toBe(7 * 3 * 256);
      expect([...batch!.sampleIndices]).toEqual([0, 2, 3, 4, 5, 6, 7]);
      expect([...batch!.labels]).toEqual([0, 0, 0, 0, 0, 0, 1]);
    },
  );
});

describe('class folders alone', () => {
  function paths({ files, length }: PictureFolder): string[] {
    return Array.from({ length }, (_, index) => pictureFile(files, index).path);
  }

  /** Cats 0 to 9, dogs 0 to 4. */
  beforeEach(async () => {
    rmSync(folder, { recursive: true });
    const [cat, dog] = [await plain('#f00').toBuffer(), await plain('#00f').toBuffer()];
    for (let index = 0; index < 10; index++) await write(`cat/${index}.png`, cat);
    for (let index = 0; index < 5; index++) await write(`dog/${index}.png`, dog);
  });

  it('are divided class by class, the same way each time', async () => {
    const { train, test, split } = await loadPictureFolder(folder, { size: 16 });
    expect(train).toMatchObject({ name: 'pets/train', length: 12, numClasses: 2, classNames: ['cat', 'dog'] });
    expect(test).toMatchObject({ name: 'pets/test', length: 3 });
    expect([...test.labels]).toEqual([0, 0, 1]);
    expect([...paths(train), ...paths(test)].sort()).toEqual([
      ...Array.from({ length: 10 }, (_, i) => `cat/${i}.png`),
      ...Array.from({ length: 5 }, (_, i) => `dog/${i}.png`),
    ]);
    expect(split).toEqual({ testFraction: 0.2, seed: 1, train: paths(train), test: paths(test) });
    expect(paths(test)).toEqual(['cat/3.png', 'cat/5.png', 'dog/2.png']);
  });

  it('are divided by fraction and seed', async () => {
    const tested = async (options: Parameters<typeof loadPictureFolder>[1]): Promise<string[]> =>
      paths((await loadPictureFolder(folder, options)).test);
    const usual = await tested({});
    expect(await tested({ testFraction: 0.2, splitSeed: 1 })).toEqual(usual);
    expect(await tested({ splitSeed: 2 })).not.toEqual(usual);
    const half = await tested({ testFraction: 0.5 });
    expect(half).toHaveLength(5 + 3);
    expect(half).toEqual(expect.arrayContaining(usual));
    // One of each class at least, whatever the fraction.
    expect(await tested({ testFraction: 0.001 })).toHaveLength(2);
    expect(await tested({ testFraction: 0.999 })).toHaveLength(9 + 4);
  });

  it('keep their division where pictures are added, but for what the fraction asks for', async () => {
    const before = new Set(paths((await loadPictureFolder(folder)).train));
    await write('cat/new.png', plain('#f00'));
    const moved = paths((await loadPictureFolder(folder)).test).filter((path) => before.has(path));
    expect(moved.length).toBeLessThanOrEqual(1);
  });

  it('are divided as a run did it, whatever there is now', async () => {
    const { split } = await loadPictureFolder(folder, { splitSeed: 7 });
    await write('cat/new.png', plain('#f00'));
    const again = await loadPictureFolder(folder, { split, splitSeed: 7 });
    expect(again.split).toBe(split);
    expect([paths(again.train), paths(again.test)]).toEqual([split!.train, split!.test]);
    rmSync(join(folder, split!.test[0]!));
    expect(await refusal({ split, splitSeed: 7 })).toBe(
      `${folder}: a picture of the run's split.json cannot be found: ${split!.test[0]!}; ` +
        'put back what is missing, or evaluate other pictures with `padnet eval <run> --data <folder>`',
    );
  });

  it('need two files each, and two classes', async () => {
    await write('fox/1.png', plain('#0f0'));
    mkdirSync(join(folder, 'owl'));
    expect(await refusal()).toBe(
      `${folder}: class fox has one file, expected two or more, to train on and to test on\n` +
        `${folder}: class owl has no file, expected two or more, to train on and to test on`,
    );
    for (const name of ['fox', 'owl', 'dog']) rmSync(join(folder, name), { recursive: true });
    expect(await refusal()).toContain(`${folder}: expected the folders of two classes or more, found only cat; set`);
    rmSync(join(folder, 'cat'), { recursive: true });
    await write('1.png', plain('#0f0'));
    expect(await refusal()).toContain(`${folder}: expected the folders of two classes or more, found none; set`);
  });

  it('may lose pictures that cannot be used, but not all of a class', async () => {
    for (let index = 0; index < 4; index++) await write(`dog/${index}.png`, Buffer.from('no picture'));
    expect(await refusal()).toContain('\n4 pictures cannot be used');
    expect(await refusal({ onBadPicture: () => undefined })).toBe(
      `${folder}, of what is tested on: class dog has no picture that can be used`,
    );
  });

  it('pass over what systems leave in them', async () => {
    for (const name of [
      '.DS_Store',
      'cat/.DS_Store',
      'cat/Thumbs.db',
      'dog/desktop.ini',
      '__MACOSX/cat/1.png',
      '.git/1',
    ])
      await write(name, Buffer.from('no picture'));
    const { train, test } = await loadPictureFolder(folder);
    expect([train.length + test.length, train.classNames]).toEqual([15, ['cat', 'dog']]);
  });

  it('may be called train', async () => {
    renameSync(join(folder, 'cat'), join(folder, 'train'));
    expect((await loadPictureFolder(folder)).train.classNames).toEqual(['dog', 'train']);
  });

  it('have names in any script, links to folders among them', async () => {
    renameSync(join(folder, 'dog'), join(folder, '犬 und Welpe'));
    mkdirSync(join(folder, '../elsewhere'));
    renameSync(join(folder, 'cat'), join(folder, '../elsewhere/cat'));
    symlinkSync('../elsewhere/cat', join(folder, 'kočka'));
    const { train, test } = await loadPictureFolder(folder);
    expect([train.length + test.length, train.classNames]).toEqual([15, ['kočka', '犬 und Welpe']]);
    const [batch] = await collect({ dataset: test, batchSize: 8 });
    expect(batch!.size).toBe(3);
  });
});

describe('names that are written in two ways', () => {
  const [composed, decomposed] = ['fée'.normalize('NFC'), 'fée'.normalize('NFD')];

  it('are one class in both parts', async () => {
    await write(`train/${composed}/1.png`, plain('#0f0'));
    await write(`val/${decomposed}/1.png`, plain('#0f0'));
    const { train, test } = await loadPictureFolder(folder);
    expect([train.classNames, train.length, test.length]).toEqual([['cat', 'dog', composed], 3, 3]);
  });

  it('are refused in one folder', async () => {
    for (const name of [composed, decomposed]) await write(`train/${name}/1.png`, plain('#0f0'));
    expect(await refusal()).toContain(`${folder}/train: two folders are called ${composed}, in two ways of writing`);
  });
});

it('tests on test where there is no val', async () => {
  renameSync(join(folder, 'val'), join(folder, 'test'));
  const { test, split } = await loadPictureFolder(folder);
  expect([test.name, test.length, split]).toEqual(['pets/test', 2, undefined]);
  mkdirSync(join(folder, 'test/fox'));
  expect(await refusal()).toBe(`${folder}/train: class fox of test is missing`);
  rmSync(join(folder, 'test/fox'), { recursive: true });
  expect(await refusal({ testFraction: 0.1 })).toBe(
    `data.testFraction: ${folder} has test, which is tested on, so that nothing is split; ` +
      `remove the key, or set data.path to ${folder}/train`,
  );
  expect(await refusal({ splitSeed: 3 })).toContain('data.splitSeed: ');
});

describe('loadPictureTestSet', () => {
  const shape = { channels: 3, height: 16, width: 16, cropFraction: 1 };

  it('labels pictures by the classes of a network, of which some may be missing', async () => {
    const found = await loadPictureTestSet(join(folder, 'val'), { classNames: ['ant', 'dog', 'cat'], shape });
    expect(found).toMatchObject({ name: 'val', length: 2, numClasses: 3, channels: 3, height: 16 });
    expect([...found!.labels]).toEqual([2, 1]);
    expect(await loadPictureTestSet(join(folder, 'val/cat'), { classNames: ['cat'], shape })).toBeNull();
  });

  it('refuses classes that the network does not know', async () => {
    const load = (path: string, classNames: string[]): Promise<unknown> =>
      loadPictureTestSet(path, { classNames, shape });
    await expect(load(join(folder, 'val'), ['cat', 'ox'])).rejects.toThrow(
      `${folder}/val: the network has no class dog, only cat, ox; ` +
        'rename or remove the folder, or ask `padnet predict`',
    );
    await expect(load(folder, ['cat', 'dog'])).rejects.toThrow(
      `${folder}: the network has no class train, val, only cat, dog; give ${folder}/val`,
    );
  });

  it('gives grey pictures to a network for grey ones, and those of its size as they are', async () => {
    const data = Uint8Array.from({ length: 28 * 20 }, (_, i) => (i * 7) % 256);
    await write('one/a/grey.png', sharp(data, { raw: { width: 28, height: 20, channels: 1 } }).png());
    await write(
      'one/a/rgb.png',
      sharp(data, { raw: { width: 28, height: 20, channels: 1 } })
        .toColourspace('srgb')
        .png(),
    );
    await write('one/b/red.png', plain('#ff0000', 28, 20));
    const found = await loadPictureTestSet(join(folder, 'one'), {
      classNames: ['a', 'b'],
      shape: { channels: 1, height: 20, width: 28, cropFraction: 1 },
    });
    const [batch] = await collect({ dataset: found!, batchSize: 3 });
    const bytes = Array.from(batch!.images, (value) => Math.round(255 * value));
    expect(bytes.slice(0, 560)).toEqual([...data]);
    expect(bytes.slice(560, 1120)).toEqual([...data]);
    expect(bytes[1120]).toBe(76); // 0.299 of 255
  });
});
