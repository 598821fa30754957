/**
 * The changes that a picture goes through before the network takes it, in torchvision's order: RandomResizedCrop (of
 * picture files, see `pictureGeometry.ts`), RandomCrop (with padding), RandomHorizontalFlip, ColorJitter, RandAugment,
 * ToTensor, Normalize, RandomErasing. Random choices are a function of (seed, epoch, sample) alone.
 */

import { InputError } from '../errors.js';
import { checkInteger } from './checks.js';
import { type ColorJitter, jitterColours } from './colorJitter.js';
import { copyPixels, type PixelSource, type Placement } from './copyPixels.js';
import type { ImageDataset, StoredImages } from './dataset.js';
import type { ResizedCrop } from './pictureGeometry.js';
import type { Pixels } from './pixels.js';
import { augmentAtRandom, type RandAugment } from './randAugment.js';
import { type RandomPurpose, RandomStream } from './random.js';
import { eraseAtRandom, type RandomErasing } from './randomErasing.js';

/** Zeros on each side that a picture can be cropped from at random. */
export const MAX_CROP_PADDING = 2 ** 15;

/** Nothing set: pixels become numbers from 0 to 1, and nothing is random. */
export interface ImageTransform {
  /** `(pixel / 255 − mean) / std`, one number for each channel; see `channelStatistics`. */
  readonly normalise?: { readonly mean: readonly number[]; readonly std: readonly number[] } | undefined;
  /** For picture files: a random part of the picture, resized; absent: the whole is resized, its centre cropped. */
  readonly randomResizedCrop?: ResizedCrop | undefined;
  /** Pads each side with `padding` pixels of 0 (black, before normalisation), then crops at random to the old size. */
  readonly randomCrop?: { readonly padding: number } | undefined;
  /** Mirrors left and right with probability ½. */
  readonly randomFlip?: boolean | undefined;
  readonly colorJitter?: ColorJitter | undefined;
  readonly randAugment?: RandAugment | undefined;
  readonly randomErasing?: RandomErasing | undefined;
}

/** An `ImageTransform` checked against its dataset, with each pixel's value worked out. */
export interface PreparedTransform {
  /** Value of pixel p in channel c at `256 × c + p`. */
  readonly values: Float32Array;
  /** p for each of them. */
  readonly rawValues: Uint8Array;
  readonly resizedCrop: ResizedCrop | null;
  readonly padding: number;
  readonly flip: boolean;
  readonly colorJitter: ColorJitter | null;
  readonly randAugment: RandAugment | null;
  readonly erasing: RandomErasing | null;
}

/** Where a picture's random choices come from, together with its index. */
export interface TransformKey {
  readonly seed: number;
  readonly epoch: number;
}

function channelNumbers(name: string, numbers: readonly number[], dataset: TransformedPictures): void {
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

/** The properties of pictures that a transform is checked against. */
export type TransformedPictures = Pick<ImageDataset, 'kind' | 'name' | 'channels'>;

/** @throws InputError if the transform does not fit the dataset's channels, or an option is out of range */
export function prepareTransform(transform: ImageTransform, dataset: TransformedPictures): PreparedTransform {
  const { normalise, randomResizedCrop = null, randomCrop, randomFlip = false } = transform;
  const { colorJitter = null, randAugment = null, randomErasing = null } = transform;
  if (randomResizedCrop && dataset.kind !== 'folder') {
    throw new InputError(`randomResizedCrop is for folders of picture files, ${dataset.name} is in memory`);
  }
  if ((colorJitter ?? randAugment) && dataset.channels !== 1 && dataset.channels !== 3) {
    throw new InputError(
      `${colorJitter ? 'colorJitter' : 'randAugment'} is for grey and RGB, ` +
        `${dataset.name} has ${dataset.channels} channels`,
    );
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
  const padding = randomCrop ? checkInteger('randomCrop.padding', randomCrop.padding, 0, MAX_CROP_PADDING) : 0;
  return {
    values,
    rawValues: Uint8Array.from(values.keys()),
    resizedCrop: randomResizedCrop,
    padding,
    flip: randomFlip,
    colorJitter,
    randAugment,
    erasing: randomErasing,
  };
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
  source: PixelSource,
  { channels, height, width }: Pick<ImageDataset, 'channels' | 'height' | 'width'>,
  index: number,
  transform: PreparedTransform,
  key: TransformKey,
  out: Float32Array,
  offset: number,
): void {
  const { values, rawValues, colorJitter, randAugment, erasing } = transform;
  const shape = { channels, height, width };
  const random = (purpose: RandomPurpose): RandomStream => new RandomStream(key.seed, purpose, key.epoch, index);
  const placement = drawPlacement(transform, random);
  if (colorJitter === null && randAugment === null) copyPixels(source, shape, placement, values, out, offset);
  else {
    const pixels: Pixels = { data: new Uint8Array(channels * height * width), ...shape };
    copyPixels(source, shape, placement, rawValues, pixels.data, 0);
    if (colorJitter) jitterColours(pixels, colorJitter, random('colorJitter'));
    if (randAugment) augmentAtRandom(pixels, randAugment, random('randAugment'));
    const changed = { data: pixels.data, start: 0, channelStep: height * width, pixelStep: 1 };
    copyPixels(changed, shape, unmoved, values, out, offset);
  }
  if (erasing) eraseAtRandom(out, offset, shape, erasing, random('erasing'));
}

const unmoved: Placement = { top: 0, left: 0, mirrored: false };

function drawPlacement(
  { padding, flip }: PreparedTransform,
  stream: (purpose: RandomPurpose) => RandomStream,
): Placement {
  if (padding === 0 && !flip) return unmoved;
  const random = stream('transform');
  const shift = (): number => (padding > 0 ? random.nextBelow(2 * padding + 1) - padding : 0);
  const [top, left] = [shift(), shift()];
  return { top, left, mirrored: flip && random.nextBelow(2) === 1 };
}
