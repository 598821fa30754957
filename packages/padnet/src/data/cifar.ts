/**
 * CIFAR-10 and CIFAR-100 (Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html) in their binary version:
 * records of one label byte (CIFAR-100: the coarse one, then the fine one) and 32 × 32 pixels, all red, then all green,
 * then all blue.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { InputError } from '../errors.js';
import { readRegularFile } from '../readRegularFile.js';
import { readClassNames } from './classNames.js';
import { constantChannel, imageDataset, type ImageSplits, type StoredImages } from './dataset.js';
import { gunzip, isGzip } from './gunzip.js';
import { existingFile } from './idxSplit.js';

interface CifarFormat {
  readonly title: string;
  /** Those of them that are there are used. */
  readonly train: readonly string[];
  readonly test: string;
  readonly classNames: string;
  readonly numClasses: number;
  /** Before the pixels; the last one counts. */
  readonly labelBytes: number;
  /** In the largest file that was published. */
  readonly maxRecords: number;
}

export const cifarNames = ['cifar10', 'cifar100'] as const;
export type CifarName = (typeof cifarNames)[number];

const side = 32;
const channels = 3;
const pictureBytes = channels * side * side;

export const cifarFormats = {
  cifar10: {
    title: 'CIFAR-10',
    train: [1, 2, 3, 4, 5].map((batch) => `data_batch_${batch}.bin`),
    test: 'test_batch.bin',
    classNames: 'batches.meta.txt',
    numClasses: 10,
    labelBytes: 1,
    maxRecords: 10_000,
  },
  cifar100: {
    title: 'CIFAR-100',
    train: ['train.bin'],
    test: 'test.bin',
    classNames: 'fine_label_names.txt',
    numClasses: 100,
    labelBytes: 2,
    maxRecords: 50_000,
  },
} as const satisfies Record<CifarName, CifarFormat>;

/** Shape of a picture, `[channels, height, width]`. */
export const CIFAR_SHAPE = [channels, side, side] as const;

interface Records {
  readonly images: Uint8Array;
  readonly labels: Uint8Array;
}

/**
 * Reads the binary files in the folder `path`, plain or with `.gz`: of CIFAR-10 as many of `data_batch_1.bin` to
 * `data_batch_5.bin` as there are, and `test_batch.bin`; of CIFAR-100 `train.bin` and `test.bin`, by their fine labels.
 * Classes are named by `batches.meta.txt` or `fine_label_names.txt`, by their numbers where it is not there. A file has
 * no checksum and no count: one that is cut off between two records cannot be told from a smaller one.
 *
 * @throws InputError if a file is missing, cut off or damaged
 */
export function loadCifar(name: CifarName, { path }: { path: string }): ImageSplits<StoredImages> {
  const format: CifarFormat = cifarFormats[name];
  const trainFiles = format.train.map((file) => existingFile(path, [file])).filter((file) => file !== null);
  const testFile = existingFile(path, [format.test]);
  if (trainFiles.length === 0 || testFile === null) {
    const missing = testFile === null ? format.test : format.train[0]!;
    const found = existsSync(path) ? 'it is not there' : 'there is no such folder';
    throw new InputError(
      `${path}: expected ${missing}[.gz], ${found}; ` +
        `set data.path to a folder with the binary version of ${format.title}`,
    );
  }
  const named = readClassNames(join(path, format.classNames));
  if (named && named.length !== format.numClasses) {
    throw new InputError(
      `${join(path, format.classNames)}: expected the names of ${format.numClasses} classes, found ${named.length}`,
    );
  }
  const classNames = named ?? Array.from({ length: format.numClasses }, (_, label) => String(label));
  const split = (splitName: string, files: readonly string[]): StoredImages =>
    imageDataset({
      name: `${format.title.toLowerCase()}/${splitName}`,
      ...joined(files.map((file) => decodeRecords(inflated(file, format), file, format))),
      channels,
      height: side,
      width: side,
      classNames,
    });
  const splits = { train: split('train', trainFiles), test: split('test', [testFile]) };
  const constant = constantChannel(splits.train);
  if (constant) {
    throw new InputError(
      `${trainFiles.join(', ')}: all pixels of channel ${constant.channel} are ${constant.pixel}, ` +
        'so that there is nothing to learn from; get the files again',
    );
  }
  return splits;
}

function inflated(file: string, { title, labelBytes, maxRecords }: CifarFormat): Uint8Array {
  const maxBytes = maxRecords * (labelBytes + pictureBytes);
  const bytes = readRegularFile(file, { expected: `records of ${title}`, maxBytes });
  if (!isGzip(bytes) || !file.endsWith('.gz')) return bytes;
  const tooLong = (): InputError =>
    new InputError(
      `${file}: expected at most ${maxRecords} records of ${title}, ${maxBytes} bytes, found more; get the file again`,
    );
  return gunzip(bytes, file, maxBytes, tooLong);
}

function decodeRecords(bytes: Uint8Array, file: string, { labelBytes, numClasses, title }: CifarFormat): Records {
  const recordBytes = labelBytes + pictureBytes;
  const length = Math.floor(bytes.length / recordBytes);
  if (length === 0 || bytes.length % recordBytes !== 0) {
    throw new InputError(
      `${file}: expected records of ${recordBytes} bytes, found ${bytes.length} bytes, which are ${length} records ` +
        `and ${bytes.length - length * recordBytes} bytes; the file is cut off or not of ${title}'s binary version`,
    );
  }
  const images = new Uint8Array(length * pictureBytes);
  const labels = new Uint8Array(length);
  for (let record = 0; record < length; record++) {
    const start = record * recordBytes + labelBytes;
    const label = bytes[start - 1]!;
    if (label >= numClasses) {
      throw new InputError(
        `${file}: the label of record ${record} is ${label}, expected a number below ${numClasses}; get the file again`,
      );
    }
    labels[record] = label;
    images.set(bytes.subarray(start, start + pictureBytes), record * pictureBytes);
  }
  return { images, labels };
}

function joined(parts: readonly Records[]): Records {
  const length = parts.reduce((sum, { labels }) => sum + labels.length, 0);
  const images = new Uint8Array(new SharedArrayBuffer(length * pictureBytes));
  const labels = new Uint8Array(length);
  let record = 0;
  for (const part of parts) {
    images.set(part.images, record * pictureBytes);
    labels.set(part.labels, record);
    record += part.labels.length;
  }
  return { images, labels };
}
