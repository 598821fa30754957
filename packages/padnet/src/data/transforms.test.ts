import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { InputError } from '../errors.js';
import { jitterColours } from './colorJitter.js';
import { imageDataset } from './dataset.js';
import { augmentAtRandom } from './randAugment.js';
import { RandomStream } from './random.js';
import { eraseAtRandom } from './randomErasing.js';
import { applyTransform, type ImageTransform, prepareTransform } from './transforms.js';

const toy = imageDataset({
  name: 'toy',
  images: Uint8Array.from({ length: 2 * 2 * 2 * 3 }, (_, i) => 10 * i + 5), // 2 × [2, 2, 3]
  labels: Uint8Array.from([0, 0]),
  channels: 2,
  height: 2,
  width: 3,
  classNames: ['x'],
});

function transformed(transform: ImageTransform, index: number, seed = 0, epoch = 0): number[] {
  const out = new Float32Array(12);
  applyTransform(toy, index, prepareTransform(transform, toy), { seed, epoch }, out, 0);
  return [...out];
}

/** The plain version: pad, crop, flip and normalise as torchvision does, a pixel at a time. */
function reference(transform: ImageTransform, index: number, seed: number, epoch: number): number[] {
  const random = new RandomStream(seed, 'transform', epoch, index);
  const padding = transform.randomCrop?.padding ?? 0;
  const top = padding > 0 ? random.nextBelow(2 * padding + 1) : 0;
  const left = padding > 0 ? random.nextBelow(2 * padding + 1) : 0;
  const flipped = transform.randomFlip === true && random.nextBelow(2) === 1;
  const padded = (channel: number, row: number, column: number) => {
    const [y, x] = [row - padding, column - padding];
    if (y < 0 || y >= 2 || x < 0 || x >= 3) return 0;
    return toy.images[((index * 2 + channel) * 2 + y) * 3 + x]!;
  };
  const result: number[] = [];
  for (let channel = 0; channel < 2; channel++) {
    for (let row = 0; row < 2; row++) {
      for (let column = 0; column < 3; column++) {
        const pixel = padded(channel, top + row, left + (flipped ? 2 - column : column));
        const mean = transform.normalise?.mean[channel] ?? 0;
        const std = transform.normalise?.std[channel] ?? 1;
        result.push(Math.fround((pixel / 255 - mean) / std));
      }
    }
  }
  return result;
}

describe('applyTransform', () => {
  it('scales pixels to 0 … 1 and normalises each channel', () => {
    const pixels = [...toy.images.subarray(12, 24)];
    expect(transformed({}, 1)).toEqual(pixels.map((pixel) => Math.fround(pixel / 255)));
    expect(transformed({ normalise: { mean: [0.5, 0.25], std: [0.5, 2] } }, 1)).toEqual(
      pixels.map((pixel, i) => Math.fround(i < 6 ? (pixel / 255 - 0.5) / 0.5 : (pixel / 255 - 0.25) / 2)),
    );
  });

  it('agrees with padding, cropping and flipping a pixel at a time', () => {
    fc.assert(
      fc.property(
        fc.nat(4),
        fc.boolean(),
        fc.nat(1),
        fc.nat(),
        fc.nat(100),
        (padding, randomFlip, index, seed, epoch) => {
          const transform = {
            randomCrop: { padding },
            randomFlip,
            normalise: { mean: [0.1, 0.2], std: [0.3, 0.4] },
          };
          expect(transformed(transform, index, seed, epoch)).toEqual(reference(transform, index, seed, epoch));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('flips half of the time, and crops to every place equally often', () => {
    const draws = 4000;
    const seen = new Map<string, number>();
    for (let epoch = 0; epoch < draws; epoch++) {
      const key = String(transformed({ randomCrop: { padding: 1 }, randomFlip: true }, 0, 3, epoch));
      seen.set(key, (seen.get(key) ?? 0) + 1);
    }
    expect(seen.size).toBe(18); // 9 places, flipped or not
    const chiSquared = [...seen.values()].reduce((sum, n) => sum + (n - draws / 18) ** 2 / (draws / 18), 0);
    expect(chiSquared).toBeLessThan(46); // 99.98 % of chi-squared with 17 degrees of freedom
  });

  it('crops and flips, then changes colours, then normalises, then erases', () => {
    const rgb = imageDataset({
      name: 'rgb',
      images: Uint8Array.from({ length: 2 * 3 * 16 * 20 }, (_, i) => (i * 37) % 251),
      labels: Uint8Array.from([0, 0]),
      channels: 3,
      height: 16,
      width: 20,
      classNames: ['x'],
    });
    const normalise = { mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.4] };
    const moved = { randomCrop: { padding: 2 }, randomFlip: true };
    const colorJitter = { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 };
    const randAugment = { numOps: 2, magnitude: 9 };
    const randomErasing = { probability: 1, scale: [0.1, 0.3], ratio: [0.5, 2] } as const;
    const key = { seed: 5, epoch: 3 };
    const of = (transform: ImageTransform): Float32Array => {
      const out = new Float32Array(960);
      applyTransform(rgb, 1, prepareTransform(transform, rgb), key, out, 0);
      return out;
    };
    const data = Uint8Array.from(of(moved), (value) => Math.round(255 * value));
    const pixels = { data, channels: 3, height: 16, width: 20 };
    jitterColours(pixels, colorJitter, new RandomStream(5, 'colorJitter', 3, 1));
    augmentAtRandom(pixels, randAugment, new RandomStream(5, 'randAugment', 3, 1));
    const expected = Float32Array.from(data, (pixel, place) => {
      const channel = Math.floor(place / 320);
      return (pixel / 255 - normalise.mean[channel]!) / normalise.std[channel]!;
    });
    eraseAtRandom(expected, 0, pixels, randomErasing, new RandomStream(5, 'erasing', 3, 1));
    const all = of({ ...moved, normalise, colorJitter, randAugment, randomErasing });
    expect(all).toEqual(expected);
    expect(all).not.toEqual(of({ ...moved, normalise }));
  });

  it('writes at the offset and nowhere else', () => {
    const out = new Float32Array(20).fill(7);
    applyTransform(toy, 0, prepareTransform({ randomCrop: { padding: 2 } }, toy), { seed: 0, epoch: 0 }, out, 4);
    expect([...out.subarray(0, 4), ...out.subarray(16)]).toEqual(new Array<number>(8).fill(7));
    expect(out.subarray(4, 16).every((value) => value !== 7)).toBe(true);
  });

  it('refuses examples and room that do not exist', () => {
    const prepared = prepareTransform({}, toy);
    const apply = (index: number, offset: number) => () => {
      applyTransform(toy, index, prepared, { seed: 0, epoch: 0 }, new Float32Array(12), offset);
    };
    expect(apply(2, 0)).toThrow('toy has no example 2, only 2');
    expect(apply(0, 1)).toThrow('an example of 12 numbers does not fit at 1 of 12');
  });
});

describe('prepareTransform', () => {
  it.each<[ImageTransform, string]>([
    [
      { normalise: { mean: [0], std: [1, 1] } },
      'normalise.mean must have one number for each of the 2 channels of toy, got 1',
    ],
    [{ normalise: { mean: [0, 0], std: [1, 0] } }, 'normalise.std of channel 1 must be a number above 0, got 0'],
    [{ normalise: { mean: [NaN, 0], std: [1, 1] } }, 'normalise.mean of channel 0 must be a finite number, got NaN'],
    [{ randomCrop: { padding: -1 } }, 'randomCrop.padding must be an integer from 0 to 32768, got -1'],
    [{ randAugment: { numOps: 1, magnitude: 9 } }, 'randAugment is for grey and RGB, toy has 2 channels'],
  ])('refuses %o', (transform, message) => {
    expect(() => prepareTransform(transform, toy)).toThrow(InputError);
    expect(() => prepareTransform(transform, toy)).toThrow(message);
  });
});
