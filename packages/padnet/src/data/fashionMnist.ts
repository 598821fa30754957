/**
 * Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017, https://github.com/zalandoresearch/fashion-mnist, MIT licence): 60,000
 * greyscale pictures of 28 × 28 to train on and 10,000 to test on, ten classes of clothing.
 */

import { createHash } from 'node:crypto';

import { InputError } from '../errors.js';
import type { ImageSplits, StoredImages } from './dataset.js';
import { idxHeader } from './idx.js';
import { idxDataset, type IdxFile, type IdxSplit, type IdxSplitName, readIdxSplit } from './idxSplit.js';

/** Where Debian's package `dataset-fashion-mnist` puts its four files. */
export const FASHION_MNIST_PATH = '/usr/share/datasets/fashion-mnist';

export const FASHION_MNIST_CLASSES: readonly string[] = [
  'T-shirt/top',
  'Trouser',
  'Pullover',
  'Dress',
  'Coat',
  'Sandal',
  'Shirt',
  'Sneaker',
  'Bag',
  'Ankle boot',
];

/** SHA-256 of the uncompressed files. */
const CHECKSUMS: Record<IdxSplitName, Record<keyof IdxSplit, string>> = {
  train: {
    images: 'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
    labels: 'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
  },
  t10k: {
    images: '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
    labels: '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
  },
};

const WAY_OUT =
  'install it with `apt-get install dataset-fashion-mnist`, or set data.path to a folder with the four IDX files';

function checkChecksum({ file, shape, data }: IdxFile, expected: string): void {
  // Header and data are the whole file: decoding leaves no byte over.
  const actual = createHash('sha256').update(idxHeader(shape)).update(data).digest('hex');
  if (actual !== expected) {
    throw new InputError(
      `${file}: expected Fashion-MNIST's contents with SHA-256 ${expected.slice(0, 12)}…, ` +
        `found ${actual.slice(0, 12)}…; get the file again, or set data.path to an intact copy`,
    );
  }
}

function readSplit(path: string, name: IdxSplitName): IdxSplit {
  const split = readIdxSplit(path, name, WAY_OUT);
  checkChecksum(split.images, CHECKSUMS[name].images);
  checkChecksum(split.labels, CHECKSUMS[name].labels);
  return split;
}

/**
 * Reads the four IDX files in the folder `path`, plain or gzipped, and verifies their checksums. Takes about a second
 * and 55 MB of shared memory.
 *
 * @throws InputError if a file is missing, damaged or not Fashion-MNIST's
 */
export function loadFashionMnist({
  path = FASHION_MNIST_PATH,
}: { path?: string | undefined } = {}): ImageSplits<StoredImages> {
  const test = readSplit(path, 't10k');
  const train = readSplit(path, 'train');
  return {
    train: idxDataset('fashion-mnist/train', train, FASHION_MNIST_CLASSES),
    test: idxDataset('fashion-mnist/test', test, FASHION_MNIST_CLASSES),
  };
}
