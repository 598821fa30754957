import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { InputError } from '../errors.js';
import { emptyClasses } from './dataset.js';
import { encodeIdx } from './idx.js';
import { loadIdxFolder } from './idxFolder.js';

let folder: string;
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'padnet-idx-')), 'letters');
  mkdirSync(folder);
});
afterEach(() => {
  rmSync(join(folder, '..'), { recursive: true });
});

function write(name: string, shape: number[], data: number[]): void {
  const bytes = encodeIdx({ shape, data: Uint8Array.from(data) });
  writeFileSync(join(folder, name), name.endsWith('.gz') ? gzipSync(bytes) : bytes);
}

function writeGreyscale(): void {
  write('train-images-idx3-ubyte', [2, 1, 2], [1, 2, 3, 4]);
  write('train-labels-idx1-ubyte.gz', [2], [1, 0]);
  write('t10k-images-idx3-ubyte.gz', [1, 1, 2], [5, 6]);
  write('t10k-labels-idx1-ubyte', [1], [1]);
}

/** Writes a training set and a test set of one-pixel pictures with these labels. */
function writeLabels(train: number[], test: number[]): void {
  for (const [split, labels] of [
    ['train', train],
    ['t10k', test],
  ] as const) {
    write(`${split}-images-idx3-ubyte`, [labels.length, 1, 1], [...labels.keys()]);
    write(`${split}-labels-idx1-ubyte`, [labels.length], labels);
  }
}

function expectError(message: string): void {
  const load = () => loadIdxFolder(folder);
  expect(load).toThrow(InputError);
  expect(load).toThrow(message);
}

describe('loadIdxFolder', () => {
  it('reads greyscale pictures, plain and gzipped, and numbers the classes', () => {
    writeGreyscale();
    const { train, test } = loadIdxFolder(folder);
    expect([...train.images]).toEqual([1, 2, 3, 4]);
    expect([...train.labels]).toEqual([1, 0]);
    expect(train).toMatchObject({ name: 'letters/train', length: 2, channels: 1, height: 1, width: 2, numClasses: 2 });
    expect(train.classNames).toEqual(['0', '1']);
    expect([...test.images]).toEqual([5, 6]);
    expect(test.numClasses).toBe(2);
  });

  it('reads pictures with channels and class names', () => {
    write('train-images-idx4-ubyte', [2, 3, 1, 1], [1, 2, 3, 4, 5, 6]);
    write('train-labels-idx1-ubyte', [2], [1, 0]);
    write('t10k-images-idx4-ubyte', [1, 3, 1, 1], [4, 5, 6]);
    write('t10k-labels-idx1-ubyte', [1], [0]);
    writeFileSync(join(folder, 'classes.txt'), 'cat\r\nblue dog\r\n');
    const { train, test } = loadIdxFolder(folder);
    expect(train).toMatchObject({ channels: 3, height: 1, width: 1, classNames: ['cat', 'blue dog'] });
    expect([...test.images]).toEqual([4, 5, 6]);
  });

  it('refuses labels that leave classes out, unless these are named', () => {
    writeLabels([0, 1, 255], [0]);
    const labels = join(folder, 'train-labels-idx1-ubyte');
    expectError(
      `${labels}: labels go up to 255, but only 3 of these 256 classes have a picture, class 2 has none; correct the ` +
        `labels or, where such classes are meant, name every class in ${join(folder, 'classes.txt')}, one a line`,
    );
    writeLabels([1, 2], [1]);
    expectError('labels go up to 2, but only 2 of these 3 classes have a picture, class 0 has none; correct');
    writeLabels([0, 1], [0, 2]);
    expectError(
      `${join(folder, 't10k-labels-idx1-ubyte')}: the label of example 1 is 2, ` +
        `a class of which ${labels} has no picture; correct`,
    );
    writeFileSync(join(folder, 'classes.txt'), 'a\nb\nc\nd\n');
    const { train, test } = loadIdxFolder(folder);
    expect([emptyClasses(train), emptyClasses(test)]).toEqual([
      ['c', 'd'],
      ['b', 'd'],
    ]);
  });

  it('wants two classes', () => {
    writeLabels([0, 0], [0]);
    expectError(
      `${folder}: expected two classes or more, but all labels of ${join(folder, 'train-labels-idx1-ubyte')} are 0`,
    );
    writeFileSync(join(folder, 'classes.txt'), 'only\n');
    expectError(`${folder}: expected two classes or more, but ${join(folder, 'classes.txt')} names one`);
  });

  it('wants pictures that differ, in every channel', () => {
    writeLabels([0, 1], [0]);
    write('train-images-idx3-ubyte', [2, 1, 1], [7, 7]);
    expectError(`${join(folder, 'train-images-idx3-ubyte')}: all pixels are 7, so that there is nothing to learn from`);
    rmSync(join(folder, 'train-images-idx3-ubyte'));
    write('train-images-idx4-ubyte', [2, 2, 1, 1], [1, 0, 2, 0]);
    rmSync(join(folder, 't10k-images-idx3-ubyte'));
    write('t10k-images-idx4-ubyte', [1, 2, 1, 1], [1, 0]);
    expectError(`${join(folder, 'train-images-idx4-ubyte')}: all pixels of channel 1 are 0, so that there is nothing`);
  });

  it('has pictures', () => {
    writeLabels([], []);
    expectError(`${join(folder, 'train-images-idx3-ubyte')}: there is no picture in an IDX array of [0, 1, 1]`);
  });

  it('says which files it wants', () => {
    expectError(
      'letters: expected train-images-idx3-ubyte[.gz] or train-images-idx4-ubyte[.gz], neither is there; set',
    );
    writeGreyscale();
    rmSync(join(folder, 't10k-labels-idx1-ubyte'));
    expectError('letters: expected t10k-labels-idx1-ubyte[.gz], it is not there; set data.path to a folder with');
  });

  it('names the file that does not fit', () => {
    writeGreyscale();
    write('train-labels-idx1-ubyte', [3], [0, 0, 0]); // before the gzipped one
    expectError(`expected 2 labels, as many as ${join(folder, 'train-images-idx3-ubyte')} has pictures, found 3`);
    writeFileSync(join(folder, 'train-labels-idx1-ubyte'), 'nonsense');
    expectError('train-labels-idx1-ubyte: expected an IDX file of unsigned bytes');
    write('train-labels-idx1-ubyte', [2, 1], [0, 0]);
    expectError('train-labels-idx1-ubyte: expected labels of [length], found an IDX array of [2, 1]');
    rmSync(join(folder, 'train-labels-idx1-ubyte'));
    mkdirSync(join(folder, 'train-labels-idx1-ubyte'));
    expectError('train-labels-idx1-ubyte: expected an IDX file, but it is a folder');
  });

  it('wants one shape of picture', () => {
    writeGreyscale();
    write('t10k-images-idx3-ubyte.gz', [1, 2, 1], [5, 6]);
    expectError(`as in ${join(folder, 'train-images-idx3-ubyte')}, found [2, 1]`);
  });

  it('wants a name for each class, each its own', () => {
    writeGreyscale();
    writeLabels([0, 2], [0]);
    rmSync(join(folder, 'train-labels-idx1-ubyte.gz'));
    writeFileSync(join(folder, 'classes.txt'), 'a\nb\n');
    expectError(
      `${join(folder, 'train-labels-idx1-ubyte')}: the label of example 1 is 2, but ${join(folder, 'classes.txt')} ` +
        'names 2 classes, 0 to 1; name every class, one a line, or correct the label',
    );
    writeFileSync(join(folder, 'classes.txt'), 'a\n\nc\n');
    expectError('classes.txt: line 2 is empty, expected the name of class 1');
    writeFileSync(join(folder, 'classes.txt'), 'a\nb\na\n');
    expectError('classes.txt: line 3 repeats "a" of line 1');
  });
});
