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
import { loadPictureFolder } from './pictureFolder.js';

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
    expect(await refusal({ classIndex })).toBe(`${classIndex}: the class of folder dog is not in it`);
    writeFileSync(classIndex, '["cat"]');
    expect(await refusal({ classIndex })).toContain(`${classIndex}: expected {"0": ["n01440764", "tench"], …}`);
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
    expect(await refusal()).toContain(
      `${folder}/val: expected a folder of pictures, but there is no such folder; set data.path to`,
    );
  });

  it('names every picture that can not be used, or leaves them out', async () => {
    const jpeg = await noisy().toBuffer();
    const bad = [
      [await write('train/cat/empty.jpg', Buffer.alloc(0)), 'the file is empty'],
      [await write('train/cat/half.jpg', jpeg.subarray(0, jpeg.length >> 1)), 'it is damaged or cut off ('],
      [await write('train/cat/letter.png', Buffer.from('Dear cat,')), 'its contents are no picture'],
      [await write('train/cat/zero.jpg', zeroHeight(jpeg)), ''],
      [
        await write('train/dog/huge.png', plain('#000', 10_000, 10_000)),
        '10000×10000 pixels are more than the 67108864',
      ],
      [await write('train/dog/moving.gif', plain('#000').gif()), 'its contents are gif, expected JPEG, PNG or WebP'],
      [join(folder, 'train/dog/nowhere.jpg'), 'it can not be read: there is no such file'],
      [join(folder, 'train/dog/ring.jpg'), 'it can not be read: its symbolic links lead in a circle'],
    ] as const;
    symlinkSync('missing.jpg', bad[6][0]);
    symlinkSync('ring.jpg', bad[7][0]);
    await write('train/dog/actually-jpeg.png', jpeg);
    const message = await refusal();
    for (const [file, reason] of bad.slice(0, 5)) {
      const line = message.split('\n').find((each) => each.startsWith(`${file}: `));
      expect(line).toContain(reason);
    }
    expect(message).toContain(
      '\nand 3 more\n8 pictures can not be used: replace or remove them, or set data.onBadPicture',
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

/** A JPEG whose header says that it has no rows. */
function zeroHeight(jpeg: Buffer): Buffer {
  const changed = Buffer.from(jpeg);
  const frame = changed.indexOf(Buffer.from([0xff, 0xc0]));
  changed.writeUInt16BE(0, frame + 5);
  return changed;
}

describe('decoding', () => {
  it.each([
    ['greyscale JPEG', 'a.jpg', () => plain('#404040').greyscale().jpeg({ quality: 100 }), [64, 64, 64]],
    ['16-bit PNG', 'a.png', () => plain('#204060').toColourspace('rgb16').png(), [32, 64, 96]],
    ['WebP', 'a.webp', () => plain('#204060').webp({ lossless: true }), [32, 64, 96]],
  ])('%s', async (_, path, make, colour) => {
    const found = await pixels(path, make());
    // A 16-bit channel is scaled in floating point by the encoder here: one step of difference.
    for (const [channel, expected] of colour.entries())
      expect(Math.abs(found[64 * channel]! - expected)).toBeLessThanOrEqual(1);
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
