import { describe, expect, it } from 'vitest';
import { imageDataset, type StoredImages } from './dataset.js';
import { holdOutPictures, holdOutTexts } from './holdOut.js';
import type { TextDataset } from './text/textDataset.js';

/** Pictures of one pixel, which is their index; class i % classes. */
function pictures(length: number, classes: number): StoredImages {
  return imageDataset({
    name: 'numbers',
    images: Uint8Array.from({ length }, (_, index) => index),
    labels: Uint8Array.from({ length }, (_, index) => index % classes),
    ...{ channels: 1, height: 1, width: 1 },
    classNames: Array.from({ length: classes }, (_, index) => String(index)),
  });
}

function texts(labels: readonly number[], classNames: readonly string[] | null): TextDataset {
  const first = labels.map((_, index) => `text ${index}`);
  return { name: 'notes', length: labels.length, first, second: null, labels: Float32Array.from(labels), classNames };
}

describe('pictures that are held out', () => {
  it.each([
    [100, 4, 0.1, 3],
    [100, 4, 0.25, 6],
    [9, 3, 0.9, 2], // one of each class is trained on
    [6, 3, 0.01, 1], // and one is held out
  ])('of %i in %i classes, the fraction %f of each class: %i', (length, classes, fraction, ofEach) => {
    const all = pictures(length, classes);
    const { train, validation } = holdOutPictures(all, { fraction, seed: 1 });
    const own = [...train.images, ...validation.images];
    expect([...own].sort((a, b) => a - b)).toEqual([...all.images]);
    for (const part of [train, validation]) {
      expect([...part.labels]).toEqual(Array.from(part.images, (index) => index % classes));
      expect([...part.images]).toEqual([...part.images].sort((a, b) => a - b));
      expect(part.images.buffer).toBeInstanceOf(SharedArrayBuffer);
    }
    for (let label = 0; label < classes; label++)
      expect([...validation.labels].filter((each) => each === label)).toHaveLength(ofEach);
    expect([train.length, validation.length]).toEqual([length - classes * ofEach, classes * ofEach]);
    expect(validation.name).toBe('numbers, held out');
  });

  it('are others with another seed, and the same with the same', () => {
    const held = (seed: number): number[] => [
      ...holdOutPictures(pictures(200, 2), { fraction: 0.2, seed }).validation.images,
    ];
    expect(held(1)).toEqual(held(1));
    expect(held(1)).not.toEqual(held(2));
  });

  it('leave a class of one picture alone; where there is no other, an error says so', () => {
    const { train, validation } = holdOutPictures(
      imageDataset({
        ...pictures(5, 2),
        labels: Uint8Array.from([0, 0, 0, 0, 1]),
      }),
      { fraction: 0.5, seed: 1 },
    );
    expect([...validation.labels]).toEqual([0, 0]);
    expect([...train.labels]).toEqual([0, 0, 1]);
    expect(() => holdOutPictures(pictures(3, 3), { fraction: 0.5, seed: 1 })).toThrow(
      'data.validation: numbers has no class of two or more training samples, so that none can be held out; ' +
        'train on more, or take the section away',
    );
  });
});

describe('texts that are held out', () => {
  it('are of each class', () => {
    const { train, validation } = holdOutTexts(texts([0, 1, 0, 1, 0, 1], ['no', 'yes']), { fraction: 0.3, seed: 4 });
    expect([...validation.labels!].sort()).toEqual([0, 1]);
    expect([...train.first, ...validation.first].sort()).toEqual([0, 1, 2, 3, 4, 5].map((index) => `text ${index}`));
    validation.first.forEach((text, row) => {
      expect(Number(text.slice(5)) % 2).toBe(validation.labels![row]);
    });
  });

  it('with scores are a share of all', () => {
    const { train, validation } = holdOutTexts(texts([0.5, 1.5, 2.5, 3.5, 4.5], null), { fraction: 0.4, seed: 1 });
    expect([train.length, validation.length]).toEqual([3, 2]);
  });
});
