/**
 * What happens to a picture before the network sees it, in torchvision's order: RandomResizedCrop (of picture files, see
 * `pictureGeometry.ts`), RandomCrop (with padding), then RandomHorizontalFlip, then ToTensor and Normalize. Random choices are a function of (seed, epoch, sample) alone.
 */

import { InputError } from '../errors.js';
import { checkInteger } from './checks.js';
import type { ImageDataset, StoredImages } from './dataset.js';
import type { ResizedCrop } from './pictureGeometry.js';
import { RandomStream } from './random.js';

/** Nothing set: pixels become numbers from 0 to 1, and nothing is random. */
export interface ImageTransform {
  /** `(pixel / 255 − mean) / std`, one number for each channel; see `channelStatistics`. */
  readonly normalise?: { readonly mean: readonly number[]; readonly std: readonly number[] } | undefined;
  /** Of picture files: a random part of the picture, resized; absent: resized whole, its centre cropped. */
  readonly randomResizedCrop?: ResizedCrop | undefined;
  /** Pads each side with `padding` pixels of 0 (black, before normalisation), then crops at random to the old size. */
  readonly randomCrop?: { readonly padding: number } | undefined;
  /** Mirrors left and right with probability ½. */
  readonly randomFlip?: boolean | undefined;
}

/** An `ImageTransform` checked against its dataset, with each pixel's value worked out. */
export interface PreparedTransform {
  /** Value of pixel p in channel c at `256 × c + p`. */
  readonly values: Float32Array;
  readonly resizedCrop: ResizedCrop | null;
  readonly padding: number;
  readonly flip: boolean;
}

/** Where a picture's pixels lie: pixel (row, column) of channel c at `start + c × channelStep + (row × width + column) × pixelStep`. */
export interface PixelSource {
  readonly data: Uint8Array;
  readonly start: number;
  readonly channelStep: number;
  readonly pixelStep: number;
}

/** Where a picture's random choices come from, together with its index. */
export interface TransformKey {
  readonly seed: number;
  readonly epoch: number;
}

function channelNumbers(name: string, numbers: readonly number[], dataset: ImageDataset): void {
  if (numbers.length !== dataset.channels) {
    throw new InputError(
      `normalise.${name} must have one number for each of the ${dataset.channels} channels of ${dataset.name}, ` +
        `got ${numbers.length}`,
    );
  }
  numbers.forEach((number, channel) => {
    if (!Number.isFinite(number) || (name === 'std' && number <= 0)) {
      const expected = name === 'std' ? 'a number above 0' : 'a finite number';
      throw new InputError(`normalise.${name} of channel ${channel} must be ${expected}, got ${number}`);
    }
  });
}

/** @throws InputError if the transform does not fit the dataset's channels, or an option is out of range */
export function prepareTransform(transform: ImageTransform, dataset: ImageDataset): PreparedTransform {
  const { normalise, randomResizedCrop = null, randomCrop, randomFlip = false } = transform;
  if (randomResizedCrop && dataset.kind !== 'folder') {
    throw new InputError(`randomResizedCrop is for folders of picture files, ${dataset.name} is in memory`);
  }
  if (normalise) {
    channelNumbers('mean', normalise.mean, dataset);
    channelNumbers('std', normalise.std, dataset);
  }
  const values = new Float32Array(256 * dataset.channels);
  for (let channel = 0; channel < dataset.channels; channel++) {
    const mean = normalise?.mean[channel] ?? 0;
    const std = normalise?.std[channel] ?? 1;
    for (let pixel = 0; pixel < 256; pixel++) values[256 * channel + pixel] = (pixel / 255 - mean) / std;
  }
  const padding = randomCrop ? checkInteger('randomCrop.padding', randomCrop.padding, 0, 2 ** 15) : 0;
  return { values, resizedCrop: randomResizedCrop, padding, flip: randomFlip };
}

/**
 * Writes example `index` of the dataset, transformed, to `out` at `offset`: `channels × height × width` numbers, as
 * `[channels, height, width]`.
 *
 * @throws RangeError if the dataset has no such example or `out` no such room
 */
export function applyTransform(
  dataset: StoredImages,
  index: number,
  transform: PreparedTransform,
  key: TransformKey,
  out: Float32Array,
  offset: number,
): void {
  const { images, channels, height, width } = dataset;
  const size = channels * height * width;
  if (index < 0 || (index + 1) * size > images.length) {
    throw new RangeError(`${dataset.name} has no example ${index}, only ${images.length / size}`);
  }
  if (offset < 0 || offset + size > out.length) {
    throw new RangeError(`an example of ${size} numbers does not fit at ${offset} of ${out.length}`);
  }
  const source = { data: images, start: index * size, channelStep: height * width, pixelStep: 1 };
  transformPixels(source, dataset, index, transform, key, out, offset);
}

/** The same for the pixels of any picture of the dataset's shape, its example `index`. */
export function transformPixels(
  { data, start, channelStep, pixelStep }: PixelSource,
  { channels, height, width }: Pick<ImageDataset, 'channels' | 'height' | 'width'>,
  index: number,
  { values, padding, flip }: PreparedTransform,
  key: TransformKey,
  out: Float32Array,
  offset: number,
): void {
  let top = 0;
  let left = 0;
  let step = 1;
  if (padding > 0 || flip) {
    const random = new RandomStream(key.seed, 'transform', key.epoch, index);
    if (padding > 0) {
      top = random.nextBelow(2 * padding + 1) - padding;
      left = random.nextBelow(2 * padding + 1) - padding;
    }
    if (flip && random.nextBelow(2) === 1) step = -1;
  }
  // Columns of the crop that lie in the picture; the others are padding.
  const firstColumn = Math.max(0, -left);
  const endColumn = Math.min(width, width - left);
  const area = height * width;
  for (let row = 0; row < height; row++) {
    const outRow = offset + row * width;
    const sourceRow = row + top;
    const inside = sourceRow >= 0 && sourceRow < height;
    if (!inside || left !== 0) {
      for (let channel = 0; channel < channels; channel++) {
        const outStart = outRow + channel * area;
        out.fill(values[256 * channel]!, outStart, outStart + width);
      }
    }
    if (!inside) continue;
    let from = start + (sourceRow * width + left + firstColumn) * pixelStep;
    let to = step === 1 ? outRow + firstColumn : outRow + width - 1 - firstColumn;
    for (let column = firstColumn; column < endColumn; column++) {
      out[to] = values[data[from]!]!;
      // RGB at once takes half the time of a loop over channels.
      if (channels === 3) {
        out[to + area] = values[256 + data[from + channelStep]!]!;
        out[to + 2 * area] = values[512 + data[from + 2 * channelStep]!]!;
      } else {
        for (let channel = 1; channel < channels; channel++)
          out[to + channel * area] = values[256 * channel + data[from + channel * channelStep]!]!;
      }
      from += pixelStep;
      to += step;
    }
  }
}
