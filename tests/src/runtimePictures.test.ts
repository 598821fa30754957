/** Pictures as the runtime prepares them, beside training's. */
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { centreGeometry } from '@padnet/runtime/shared';
import { decodePicture } from '../../packages/padnet/dist/data/decodePicture.js';
import { readPictureBatch } from '../../packages/padnet/dist/data/index.js';
import { nodePlatform } from '../../packages/runtime/dist/node/nodePlatform.js';
import { pictureInput } from '../../packages/runtime/dist/picture/pictureInput.js';
import { resize } from '../../packages/runtime/dist/picture/resize.js';
import { normalise } from './exportedNetworks.js';

/** Noise, whose edges are as steep as they can be. */
function noise(length: number, seed: number): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

describe('resize', () => {
  const pictures = [
    [100, 80],
    [640, 480],
    [480, 640],
    [1000, 33],
    [224, 224],
    [255, 300],
    [20, 30],
    [37, 37],
    [1500, 1201],
    [33, 32],
    [32, 33],
  ] as const;
  const inputs = [
    [224, 224, 0.875],
    [32, 32, 1],
    [32, 32, 0.875],
    [48, 64, 1],
    [8, 8, 1],
  ] as const;

  it.each(pictures)('gives training’s pixels of a picture of %i×%i', async (width, height) => {
    const data = noise(3 * width * height, width + height);
    const file = await sharp(data, { raw: { width, height, channels: 3 } })
      .png({ compressionLevel: 0 })
      .toBuffer();
    for (const [inputWidth, inputHeight, cropFraction] of inputs) {
      const geometry = centreGeometry({ width, height }, { width: inputWidth, height: inputHeight }, cropFraction);
      if (geometry.width * geometry.height > 2 ** 20) continue;
      const expected = await decodePicture(file, false, geometry);
      const rows = (from: number, to: number): Uint8Array => data.subarray(3 * width * from, 3 * width * to);
      const found = resize({ width, height, channels: 3, kept: 3, rows }, geometry);
      const differences = found.map((value, index) => Math.abs(value - expected[index]!));
      expect(found.length).toBe(expected.length);
      expect(differences.reduce((most, each) => Math.max(most, each), 0)).toBeLessThanOrEqual(1);
      expect(differences.reduce((sum, each) => sum + each, 0) / differences.length).toBeLessThan(0.1);
    }
  });
});

describe('pictureInput', () => {
  const [width, height] = [90, 70];
  const rgba = noise(4 * width * height, 5);
  const rgb = sharp(rgba, { raw: { width, height, channels: 4 } }).removeAlpha();
  const blurred = rgb.clone().blur(2);
  const kinds: Readonly<Record<string, () => Promise<Buffer>>> = {
    'a PNG': () => rgb.clone().png().toBuffer(),
    'a PNG with transparent places': () =>
      sharp(rgba, { raw: { width, height, channels: 4 } })
        .png()
        .toBuffer(),
    'a grey PNG': () => rgb.clone().toColourspace('b-w').png().toBuffer(),
    'a JPEG': () => blurred.clone().jpeg().toBuffer(),
    'a JPEG that lies on its side': () => blurred.clone().withMetadata({ orientation: 6 }).jpeg().toBuffer(),
    'a WebP': () => blurred.clone().webp().toBuffer(),
    'a GIF': () => blurred.clone().gif().toBuffer(),
  };

  it.each(Object.keys(kinds))('is training’s, of %s', async (kind) => {
    const file = await kinds[kind]!();
    for (const channels of [1, 3]) {
      const shape = { channels, height: 28, width: 28, cropFraction: 0.875 };
      const means = { mean: normalise.mean.slice(0, channels), std: normalise.std.slice(0, channels) };
      const { images, problems } = await readPictureBatch([file], { shape, normalise: means });
      expect(problems.size).toBe(0);
      const source = await nodePlatform({}).decode(file);
      const found = pictureInput(source, { ...shape, ...means });
      const worst = found.reduce((most, value, index) => Math.max(most, Math.abs(value - images[index]!)), 0);
      // A level of 255, normalised.
      expect(worst).toBeLessThanOrEqual(1.001 / 255 / Math.min(...means.std));
    }
  });

  it('is the picture itself where it has the size of the input', () => {
    const data = noise(4 * 4, 3);
    const rows = (from: number, to: number): Uint8Array => data.subarray(4 * from, 4 * to);
    const found = pictureInput(
      { width: 4, height: 4, channels: 1, rows },
      { channels: 1, height: 4, width: 4, mean: [0], std: [1], cropFraction: 1 },
    );
    expect(Array.from(found)).toEqual(Array.from(data, (value) => Math.fround(value / 255)));
  });
});
