import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  domainPictures,
  encodeIdx,
  holdOutPictures,
  limitPictures,
  loadIdxFolder,
  type StoredImages,
} from '../../data/index.js';
import { pictureDataSchema } from '../../recipe/recipe.js';
import { loadPictures } from './pictureData.js';

let path: string;
beforeAll(() => {
  path = mkdtempSync(join(tmpdir(), 'padnet-domains-'));
  for (const [split, length] of [
    ['train', 12],
    ['t10k', 8],
  ] as const) {
    const data = Uint8Array.from({ length: length * 64 }, (_, index) => (index * 37) % 256);
    const labels = Uint8Array.from({ length }, (_, index) => index % 2);
    writeFileSync(join(path, `${split}-images-idx3-ubyte`), encodeIdx({ shape: [length, 8, 8], data }));
    writeFileSync(join(path, `${split}-labels-idx1-ubyte`), encodeIdx({ shape: [length], data: labels }));
  }
});
afterAll(() => {
  rmSync(path, { recursive: true });
});

it('prints limited pictures of a part over each other', async () => {
  const data = pictureDataSchema.parse({ name: 'idx', path, trainLimit: 6, testLimit: 4, domains: { seed: 3 } });
  const { train, test } = await loadPictures(data);
  const stored = loadIdxFolder(path);
  const expected = domainPictures(limitPictures(stored.train, 6), 'train', { seed: 3 });
  expect(train).toEqual(expected);
  expect(train).toMatchObject({ length: 6, channels: 3 });
  expect(test).toEqual(domainPictures(limitPictures(stored.test, 4), 'test', { seed: 3 }));
  // Of what is held out nothing is printed into what is trained on.
  const held = await loadPictures({ ...data, trainLimit: undefined, validation: { fraction: 0.5, seed: 1 } });
  const divided = holdOutPictures(stored.train, { fraction: 0.5, seed: 1 });
  expect(held.train).toEqual(domainPictures(divided.train, 'train', { seed: 3 }));
  expect(held.validation).toEqual(domainPictures(divided.validation, 'validation', { seed: 3 }));
  const plain = await loadPictures(pictureDataSchema.parse({ name: 'idx', path }));
  expect((plain.train as StoredImages).images).toEqual(stored.train.images);
});
