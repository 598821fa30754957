import { describe, expect, it } from 'vitest';
import { InputError } from '../errors.js';
import { imageDataset, type StoredImages } from './dataset.js';
import { domainOf, domainPictures, NUM_DOMAINS } from './domains.js';

const height = 12;
const width = 10;
const area = height * width;

/** Bars of `length` pictures: picture i has column i % 10 white. */
function bars(length: number, channels = 1): StoredImages {
  const images = new Uint8Array(length * channels * area);
  for (let index = 0; index < length; index++)
    for (let channel = 0; channel < channels; channel++)
      for (let row = 0; row < height; row++)
        images[(index * channels + channel) * area + row * width + (index % width)] = 255;
  const labels = Uint8Array.from({ length }, (_, index) => index % width);
  const classNames = Array.from({ length: width }, (_, label) => `column ${label}`);
  return imageDataset({ name: 'bars', images, labels, channels, height, width, classNames });
}

const options = { seed: 1 };

/** Means of the channels of a picture. */
function means({ images, channels }: StoredImages, index: number): number[] {
  return Array.from({ length: channels }, (_, channel) => {
    const start = (index * channels + channel) * area;
    return images.subarray(start, start + area).reduce((sum, pixel) => sum + pixel, 0) / area;
  });
}

/** The column of a channel that is brightest against its neighbours. */
function brightestColumn({ images, channels }: StoredImages, index: number, channel: number): number {
  const start = (index * channels + channel) * area;
  const columns = Array.from({ length: width }, (_, column) => {
    let sum = 0;
    for (let row = 0; row < height; row++) sum += images[start + row * width + column]!;
    return sum / height;
  });
  const contrast = columns.map(
    (mean, column) => mean - Math.min(columns[column - 1] ?? mean, columns[column + 1] ?? mean),
  );
  return contrast.indexOf(Math.max(...contrast));
}

describe('domainPictures', () => {
  const source = bars(600);
  const made = domainPictures(source, 'train', options);
  const domains = Array.from({ length: made.length }, (_, index) => domainOf('train', index, options));

  it('are RGB pictures with the labels and the classes of their prints', () => {
    expect(made).toMatchObject({
      kind: 'stored',
      name: 'bars',
      length: 600,
      channels: 3,
      height,
      width,
      numClasses: 10,
    });
    expect(made.images).toHaveLength(600 * 3 * area);
    expect([...made.labels]).toEqual([...source.labels]);
    expect(made.classNames).toEqual(source.classNames);
  });

  it('have their own print in the colour of the light, and any other in the others', () => {
    const shares = [0, 1, 2].map((turn) => {
      const found = domains.map((domain, index) => brightestColumn(made, index, (domain + turn) % NUM_DOMAINS));
      return found.filter((column, index) => column === made.labels[index]).length / found.length;
    });
    expect(shares[0]).toBeGreaterThan(0.95);
    expect(shares[1]).toBeLessThan(0.2);
    expect(shares[2]).toBeLessThan(0.2);
  });

  it('have each domain about equally often, in every class', () => {
    for (let label = 0; label < 10; label++) {
      const counts = [0, 0, 0];
      domains.forEach((domain, index) => made.labels[index] === label && counts[domain]!++);
      for (const count of counts) expect(Math.abs(count - 20)).toBeLessThan(15); // four standard deviations of 3.7
    }
  });

  it('tell the domain by the mean over the picture, and not by that of its upper half', () => {
    const bright = (pixels: number): number => {
      const right = domains.filter((domain, index) => {
        const of = [0, 1, 2].map((channel) => {
          const start = (index * 3 + channel) * area;
          return made.images.subarray(start, start + pixels).reduce((sum, pixel) => sum + pixel, 0);
        });
        return of.indexOf(Math.max(...of)) === domain;
      });
      return right.length / domains.length;
    };
    expect(bright(area)).toBeGreaterThan(0.95);
    expect(bright(area / 2)).toBeLessThan(0.85);
    const [red = 0, green = 0, blue = 0] = means(made, domains.indexOf(0));
    expect(red - green).toBeGreaterThan(15);
    expect(red - blue).toBeGreaterThan(15);
  });

  it('are decided by seed, part and index alone', () => {
    const same = (...[other, part, { seed }]: Parameters<typeof domainPictures>): boolean =>
      Buffer.compare(domainPictures(other, part, { seed }).images, made.images) === 0;
    expect(same(bars(600), 'train', { seed: 1 })).toBe(true);
    expect(same(source, 'test', { seed: 1 })).toBe(false);
    expect(same(source, 'train', { seed: 2 })).toBe(false);
    // As they were when the first runs were trained.
    expect(domains.slice(0, 9)).toEqual([2, 1, 1, 2, 0, 2, 1, 1, 0]);
    expect([...made.images.subarray(0, 8)]).toEqual([68, 77, 70, 152, 48, 61, 57, 55]);
  });

  it('are made of the grey of RGB pictures', () => {
    const [grey, colours] = [bars(20), bars(20, 3)].map((each) => domainPictures(each, 'train', options).images);
    expect([...colours!]).toEqual([...grey!]);
  });

  it('are not made of pictures with other channels', () => {
    expect(() => domainPictures(bars(4, 2), 'train', options)).toThrow(
      new InputError('data.domains: expected grey pictures or RGB, those of bars have 2 channels'),
    );
  });
});
