import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { scope } from '@padnet/torch';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataLoader, loadPictureFolder, IMAGENET_STATISTICS, STANDARD_CROP_FRACTION } from '../../data/index.js';
import { InputError } from '../../errors.js';
import { cropFractionOf, loadPictureBatch, pictureInput } from './pictureInput.js';
import { collect, splits, writePictureFolder } from '../../runs/pictures.test.fixture.js';
import type { PictureDescription } from '../../runs/savedModel.js';
import { modelSchema } from '../../models/index.js';

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-input-'));
  await writePictureFolder(folder);
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function description(changes: Partial<PictureDescription> = {}): PictureDescription {
  return {
    modality: 'image',
    model: modelSchema.parse({ name: 'resnet10' }),
    inChannels: 3,
    numClasses: 2,
    size: [16, 16],
    classNames: ['dark', 'light'],
    normalise: { mean: [...IMAGENET_STATISTICS.mean], std: [...IMAGENET_STATISTICS.std] },
    cropFraction: STANDARD_CROP_FRACTION,
    ...changes,
  };
}

describe('loadPictureBatch', () => {
  it('gives the bits that a run is evaluated on', async () => {
    const { test } = await loadPictureFolder(folder, { size: 16 });
    const { normalise } = description();
    await using loader = new DataLoader({ dataset: test, batchSize: 4, transform: { normalise } });
    const [evaluated] = await collect(loader.epoch(0));
    const files = ['dark/0.png', 'dark/1.png', 'light/0.png', 'light/1.png'].map((name) => join(folder, 'val', name));
    using batch = await loadPictureBatch(files, description());
    expect(batch.shape).toEqual([4, 3, 16, 16]);
    expect([...batch.toTypedArray()]).toEqual([...evaluated!.images]);
  });

  it('is grey for a network of grey pictures, of its height and width', async () => {
    const file = join(folder, 'colours.png');
    const pixels = Uint8Array.from([255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 10, 10, 255, 255, 255, 0, 0, 0]);
    writeFileSync(
      file,
      await sharp(pixels, { raw: { width: 3, height: 2, channels: 3 } })
        .png()
        .toBuffer(),
    );
    const grey = description({ inChannels: 1, size: [2, 3], normalise: { mean: [0], std: [1] }, cropFraction: 1 });
    using batch = await loadPictureBatch([file], grey);
    expect(batch.shape).toEqual([1, 1, 2, 3]);
    // 0.299 R + 0.587 G + 0.114 B
    expect(batch.toArray().map((value) => Math.round(255 * value))).toEqual([76, 150, 29, 10, 255, 0]);
  });

  it('names all that cannot be used', async () => {
    const error = await loadPictureBatch(
      [join(folder, 'val/dark/0.png'), join(folder, 'none.png'), Buffer.from('text')],
      description(),
    ).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InputError);
    expect((error as Error).message).toBe(
      `${folder}/none.png: there is no such file\n` +
        'picture 2: its contents are not a picture, expected JPEG, PNG, WebP, GIF, TIFF or AVIF\n' +
        '2 pictures cannot be used: replace them, or leave them out',
    );
    await expect(loadPictureBatch([], description({ inChannels: 4 }))).rejects.toThrow(
      'the network takes pictures of 4 channels; picture files have 1 (grey) or 3 (RGB)',
    );
  });
});

describe('what is cropped away', () => {
  it('is written down', async () => {
    expect(cropFractionOf(splits.train)).toBe(1);
    expect(cropFractionOf((await loadPictureFolder(folder)).train)).toBe(0.875);
  });

  it('is known of networks that were saved before', () => {
    const fraction = (changes: Partial<PictureDescription>): number => {
      const rest = description(changes);
      delete rest.cropFraction;
      return pictureInput(rest).shape.cropFraction;
    };
    expect(fraction({})).toBe(0.875);
    expect(fraction({ normalise: { mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.243, 0.261] } })).toBe(1);
    expect(pictureInput(description({ cropFraction: 0.9 })).shape.cropFraction).toBe(0.9);
  });
});

it('has live tensors that belong to the caller', async () => {
  const files = [join(folder, 'val/dark/0.png')];
  const batch = await loadPictureBatch(files, description());
  expect(scope(() => batch.mean().item())).toBeLessThan(0);
  batch[Symbol.dispose]();
});
