/** Pictures of one's own as IDX files, the way MNIST's relatives (KMNIST, EMNIST, …) come. */

import { basename, join, resolve } from 'node:path';

import { InputError } from '../errors.js';
import { readClassNames } from './classNames.js';
import type { ImageSplits, StoredImages } from './dataset.js';
import { idxDataset, type IdxSplit, readIdxSplit } from './idxSplit.js';

const WAY_OUT =
  'set data.path to a folder with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and ' +
  't10k-labels-idx1-ubyte (idx4 for pictures with channels), plain or gzipped';

/** The lines of `classes.txt`, or `0`, `1`, … up to the largest label where there is no such file. */
function classNamesOf(path: string, splits: readonly IdxSplit[]): readonly string[] {
  const names = readClassNames(join(path, 'classes.txt'));
  if (names) return names;
  const largest = splits.reduce((max, { labels }) => labels.data.reduce((a, b) => Math.max(a, b), max), 0);
  return Array.from({ length: largest + 1 }, (_, label) => String(label));
}

/**
 * Reads a folder of `train-` and `t10k-` files: `…-images-idx3-ubyte` (`[length, height, width]`, greyscale) or
 * `…-images-idx4-ubyte` (`[length, channels, height, width]`) and `…-labels-idx1-ubyte`, each plain or with `.gz`.
 * An optional `classes.txt` names the classes, one a line; without it there are as many as the largest label asks for.
 *
 * @throws InputError if a file is missing or damaged, if the splits have pictures of different shape, or if a label has
 *   no class name
 */
export function loadIdxFolder(path: string): ImageSplits<StoredImages> {
  const train = readIdxSplit(path, 'train', WAY_OUT);
  const test = readIdxSplit(path, 't10k', WAY_OUT);
  const [trainShape, testShape] = [train, test].map(({ images }) => images.shape.slice(1).join(', '));
  if (trainShape !== testShape) {
    throw new InputError(
      `${test.images.file}: expected pictures of [${trainShape!}] as in ${train.images.file}, found [${testShape!}]`,
    );
  }
  const classNames = classNamesOf(path, [train, test]);
  const name = basename(resolve(path));
  return {
    train: idxDataset(`${name}/train`, train, classNames),
    test: idxDataset(`${name}/test`, test, classNames),
  };
}
