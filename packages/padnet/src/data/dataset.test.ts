import { describe, expect, it } from 'vitest';

import { InputError } from '../errors.js';
import { channelStatistics, imageDataset, limitPictures } from './dataset.js';

const options = {
  name: 'toy',
  images: Uint8Array.from([0, 255, 51, 51, 255, 0, 51, 51, 0, 255, 51, 51]), // 3 × [2, 1, 2]
  labels: Uint8Array.from([0, 1, 1]),
  channels: 2,
  height: 1,
  width: 2,
  classNames: ['cat', 'dog'],
};

describe('imageDataset', () => {
  it('copies into shared memory, once', () => {
    const dataset = imageDataset(options);
    expect([...dataset.images]).toEqual([...options.images]);
    expect(dataset.images.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(dataset.labels.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(dataset).toMatchObject({ name: 'toy', length: 3, channels: 2, height: 1, width: 2, numClasses: 2 });
    const again = imageDataset({ ...options, images: dataset.images, labels: dataset.labels });
    expect(again.images.buffer).toBe(dataset.images.buffer);
    expect(again.labels.buffer).toBe(dataset.labels.buffer);
  });

  it('keeps labels of more than 256 classes', () => {
    const classNames = Array.from({ length: 1000 }, (_, i) => `class ${i}`);
    const dataset = imageDataset({ ...options, labels: Uint16Array.from([999, 0, 300]), classNames });
    expect([...dataset.labels]).toEqual([999, 0, 300]);
    expect(dataset.labels.buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  it.each([
    [{ labels: new Uint8Array(0) }, 'toy: expected at least one example, found none'],
    [{ width: 3 }, 'toy: 3 labels and pictures of [2, 1, 3] ask for 18 pixels, found 12'],
    [{ labels: Uint8Array.from([0, 1, 7]) }, 'toy: the label of example 2 is 7, expected a number below the 2 classes'],
    [{ channels: 0 }, 'toy: channels must be an integer of at least 1, got 0'],
  ])('refuses %o', (wrong, message) => {
    const make = () => imageDataset({ ...options, ...wrong });
    expect(make).toThrow(InputError);
    expect(make).toThrow(message);
  });
});

describe('limit', () => {
  it('keeps the first examples in the same memory', () => {
    const dataset = imageDataset(options);
    const two = limitPictures(dataset, 2);
    expect(two.length).toBe(2);
    expect([...two.images]).toEqual([...options.images.subarray(0, 8)]);
    expect([...two.labels]).toEqual([0, 1]);
    expect(two.images.buffer).toBe(dataset.images.buffer);
    expect(limitPictures(dataset, 10)).toBe(dataset);
  });

  it('refuses less than one example', () => {
    expect(() => limitPictures(imageDataset(options), 0)).toThrow(
      'limit of toy must be an integer of at least 1, got 0',
    );
  });
});

describe('channelStatistics', () => {
  it('agrees with numbers by hand', () => {
    const { mean, std } = channelStatistics(imageDataset(options));
    expect(mean[0]).toBeCloseTo(0.5, 15); // 0 and 1, three of each
    expect(std[0]).toBeCloseTo(0.5, 15);
    expect(mean[1]).toBeCloseTo(0.2, 15);
    expect(std[1]).toBe(0);
  });
});
