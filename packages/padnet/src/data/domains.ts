/**
 * Pictures of several domains, where what is to be read from a picture depends on the light over the whole of it. Three
 * pictures lie over each other, one printed in red, one in green, one in blue. The light is a little red, green or
 * blue, and the class of the picture that is printed in this colour is the label.
 *
 * The light is uneven: in each colour it grows and falls over the picture, by more than what is added, but so that this
 * is 0 on average. So the mean over all pixels tells the domain, and no part of the picture does.
 */
import { InputError } from '../errors.js';
import { imageDataset, type StoredImages } from './dataset.js';
import { RandomStream } from './random.js';

export interface DomainOptions {
  /** Decides light, prints and grain of each picture. */
  readonly seed: number;
}

/** Domain d is read from channel d of RGB. */
export const NUM_DOMAINS = 3;

/** Which pictures they are: the same index means another domain, other prints and another light in each. */
export type DomainPart = 'train' | 'test' | 'validation';
const parts: Readonly<Record<DomainPart, number>> = { train: 0, test: 1, validation: 2 };

/** Level of all pixels, of 255, before anything is printed. */
const ground = 80;
/** Mean of each print, so that no colour has more ink than another. */
const printMean = 40;
/** Largest value of a print. */
const printMax = 110;
/** What the light adds in its colour, everywhere. */
const light = 24;
/** Standard deviation of each wave of uneven light. */
const unevenness = 30;
/** Standard deviation of the grain. */
const grain = 8;
/** Half waves of uneven light from top to bottom, and from left to right. */
const waves = [
  [0, 1],
  [1, 0],
  [1, 1],
] as const;

/**
 * As many RGB pictures as `dataset` has, of its size, labels and classes: picture i has print i in the colour of its
 * domain, and prints of `dataset` drawn at random in the two others. Each domain is equally likely. All is decided by
 * seed, part and index.
 *
 * @param dataset grey pictures or RGB, whose grey is printed
 * @throws InputError where they have other channels
 */
export function domainPictures(dataset: StoredImages, part: DomainPart, { seed }: DomainOptions): StoredImages {
  const { name, length, labels, height, width, classNames } = dataset;
  if (dataset.channels !== 1 && dataset.channels !== 3)
    throw new InputError(
      `data.domains: expected grey pictures or RGB, those of ${name} have ${dataset.channels} channels`,
    );
  const area = height * width;
  const images = new Uint8Array(new SharedArrayBuffer(length * NUM_DOMAINS * area));
  const values = new Float64Array(area);
  for (let index = 0; index < length; index++) {
    const stream = randomOf(part, index, seed);
    const domain = stream.nextBelow(NUM_DOMAINS);
    for (let channel = 0; channel < NUM_DOMAINS; channel++) {
      const isRead = channel === domain;
      readPrint(dataset, isRead ? index : stream.nextBelow(length), values);
      addLight(values, height, width, stream);
      const level = ground + (isRead ? light : 0);
      const start = (index * NUM_DOMAINS + channel) * area;
      for (let pixel = 0; pixel < area; pixel++) {
        const value = level + values[pixel]! + grain * nextNormal(stream);
        images[start + pixel] = Math.max(0, Math.min(255, Math.round(value)));
      }
    }
  }
  return imageDataset({ name, images, labels, channels: NUM_DOMAINS, height, width, classNames });
}

/** The domain of a picture, below `NUM_DOMAINS`. */
export function domainOf(part: DomainPart, index: number, { seed }: DomainOptions): number {
  return randomOf(part, index, seed).nextBelow(NUM_DOMAINS);
}

function randomOf(part: DomainPart, index: number, seed: number): RandomStream {
  return new RandomStream(seed, 'domains', parts[part], index);
}

/** The grey of a picture, exposed to `printMean` on average, then cut off at `printMax`. */
function readPrint({ images, channels, height, width }: StoredImages, index: number, out: Float64Array): void {
  const area = height * width;
  const start = index * channels * area;
  let total = 0;
  for (let pixel = 0; pixel < area; pixel++) {
    const red = start + pixel;
    const grey =
      channels === 1
        ? images[red]!
        : 0.299 * images[red]! + 0.587 * images[red + area]! + 0.114 * images[red + 2 * area]!;
    out[pixel] = grey;
    total += grey;
  }
  const exposure = (printMean * area) / Math.max(total, area);
  for (let pixel = 0; pixel < area; pixel++) out[pixel] = Math.min(printMax, out[pixel]! * exposure);
}

/** Adds waves of cosine whose means over the picture are 0. */
function addLight(values: Float64Array, height: number, width: number, stream: RandomStream): void {
  for (const [down, across] of waves) {
    const amplitude = unevenness * nextNormal(stream);
    for (let row = 0, pixel = 0; row < height; row++) {
      const ofRow = amplitude * Math.cos((Math.PI * down * (row + 0.5)) / height);
      for (let column = 0; column < width; column++, pixel++)
        values[pixel]! += ofRow * Math.cos((Math.PI * across * (column + 0.5)) / width);
    }
  }
}

/** Of mean 0 and variance 1, near to normal: the sum of four uniform bytes. */
function nextNormal(stream: RandomStream): number {
  const word = stream.nextUint32();
  return ((word & 255) + ((word >>> 8) & 255) + ((word >>> 16) & 255) + (word >>> 24) - 510) / bytesDeviation;
}

/** Standard deviation of the sum of four uniform bytes. */
const bytesDeviation = Math.sqrt((4 * (256 ** 2 - 1)) / 12);
