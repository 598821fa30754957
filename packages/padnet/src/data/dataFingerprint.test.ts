import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { pictureFingerprint, textFingerprint } from './dataFingerprint.js';
import { imageDataset, limitPictures, type StoredImages } from './dataset.js';
import { loadPictureFolder } from './pictureFolder.js';
import type { TokenisedDataset } from './text/tokenise.js';

const stored = (changes: { pixel?: number; label?: number; name?: string; width?: number } = {}): StoredImages => {
  const { pixel = 7, label = 1, name = 'a', width = 2 } = changes;
  return imageDataset({
    name,
    images: Uint8Array.of(1, 2, 3, 4, 5, 6, pixel, 8),
    labels: Uint8Array.of(0, label),
    channels: 1,
    height: 4 / width,
    width,
    classNames: ['x', 'y'],
  });
};

it('of pictures in memory is that of their pixels, labels and shape', () => {
  const mine = pictureFingerprint(stored());
  expect(mine).toMatch(/^2 pictures, [0-9a-f]{16}$/);
  expect(pictureFingerprint(stored({ name: 'elsewhere' }))).toBe(mine);
  for (const other of [stored({ pixel: 9 }), stored({ label: 0 }), stored({ width: 4 }), limitPictures(stored(), 1)])
    expect(pictureFingerprint(other)).not.toBe(mine);
});

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-fingerprint-'));
  for (const split of ['train', 'val']) {
    for (const [name, background] of Object.entries({ dark: '#222', light: '#ddd' })) {
      mkdirSync(join(folder, 'here', split, name), { recursive: true });
      const picture = sharp({ create: { width: 16, height: 12, channels: 3, background } });
      writeFileSync(join(folder, 'here', split, name, '1.png'), await picture.png().toBuffer());
    }
  }
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

it('of files is that of their paths, sizes and labels, wherever they lie', async () => {
  const there = join(folder, 'there');
  const fingerprint = async (path: string, size = 8): Promise<string> =>
    pictureFingerprint((await loadPictureFolder(path, { size })).train);
  const mine = await fingerprint(join(folder, 'here'));
  expect(mine).toMatch(/^2 pictures, /);
  cpSync(join(folder, 'here'), there, { recursive: true });
  expect(await fingerprint(there)).toBe(mine);
  expect(await fingerprint(there, 16)).not.toBe(mine);
  const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const;
  const other = sharp({ create: { width: 16, height: 12, channels: 3, background: '#000', noise } });
  writeFileSync(join(there, 'train', 'dark', '1.png'), await other.png().toBuffer());
  expect(await fingerprint(there)).not.toBe(mine);
  rmSync(there, { recursive: true });
  cpSync(join(folder, 'here'), there, { recursive: true });
  cpSync(join(there, 'train', 'dark', '1.png'), join(there, 'train', 'dark', '2.png'));
  expect(await fingerprint(there)).toMatch(/^3 pictures, /);
});

it('of texts is that of their tokens and labels', () => {
  const texts = (inputIds: number[], labels: number[] | null): TokenisedDataset => ({
    name: 'a',
    length: 2,
    inputIds: Int32Array.from(inputIds),
    tokenTypeIds: new Uint8Array(inputIds.length),
    offsets: Uint32Array.of(0, 1, inputIds.length),
    labels: labels && Float32Array.from(labels),
    classNames: null,
    maxLength: 8,
    padTokenId: 0,
  });
  const mine = textFingerprint(texts([1, 2, 3], [0, 1]));
  expect(mine).toMatch(/^2 texts, [0-9a-f]{16}$/);
  expect(textFingerprint({ ...texts([1, 2, 3], [0, 1]), name: 'b', maxLength: 9 })).toBe(mine);
  for (const other of [texts([1, 2, 4], [0, 1]), texts([1, 2, 3], [0, 0]), texts([1, 2, 3], null)])
    expect(textFingerprint(other)).not.toBe(mine);
});
