/** Pictures of one's own as IDX files, the way MNIST's relatives (KMNIST, EMNIST, …) come. */

import { basename, join, resolve } from 'node:path';

import { InputError } from '../errors.js';
import { readClassNames } from './classNames.js';
import { constantChannel, type ImageSplits, type StoredImages } from './dataset.js';
import { idxDataset, type IdxSplit, readIdxSplit } from './idxSplit.js';

const WAY_OUT =
  'set data.path to a folder with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and ' +
  't10k-labels-idx1-ubyte (idx4 for pictures with channels), plain or gzipped';

/** The lines of `classes.txt`, or `0`, `1`, … up to the largest label where there is no such file. */
function classNamesOf(path: string, train: IdxSplit, test: IdxSplit): readonly string[] {
  const file = join(path, 'classes.txt');
  const names = readClassNames(file);
  const count = names?.length ?? 1 + Math.max(largest(train), largest(test));
  if (count < 2) {
    const found = names ? `${file} names one` : `all labels of ${train.labels.file} are 0`;
    throw new InputError(`${path}: expected two classes or more, but ${found}`);
  }
  if (!names) {
    assertNoGaps(train, test, file);
    return Array.from({ length: count }, (_, label) => String(label));
  }
  for (const { labels } of [train, test]) {
    const example = labels.data.findIndex((label) => label >= count);
    if (example !== -1) {
      throw new InputError(
        `${labels.file}: the label of example ${example} is ${labels.data[example]!}, ` +
          `but ${file} names ${count} classes, 0 to ${count - 1}; name every class, one a line, or correct the label`,
      );
    }
  }
  return names;
}

function largest({ labels }: IdxSplit): number {
  return labels.data.reduce((a, b) => Math.max(a, b), 0);
}

/** A label that is far from all others is a mistake more often than a class: it has to be named. */
function assertNoGaps(train: IdxSplit, test: IdxSplit, classesFile: string): void {
  const trained = new Set(train.labels.data);
  const advice = `correct the labels or, where such classes are meant, name every class in ${classesFile}, one a line`;
  const unknown = test.labels.data.findIndex((label) => !trained.has(label));
  if (unknown !== -1) {
    throw new InputError(
      `${test.labels.file}: the label of example ${unknown} is ${test.labels.data[unknown]!}, a class of which ` +
        `${train.labels.file} has no picture; ${advice}`,
    );
  }
  const last = largest(train);
  if (trained.size === last + 1) return;
  const gap = Array.from({ length: last }, (_, label) => label).find((label) => !trained.has(label))!;
  throw new InputError(
    `${train.labels.file}: labels go up to ${last}, ` +
      `but only ${trained.size} of these ${last + 1} classes have a picture, class ${gap} has none; ${advice}`,
  );
}

/** @throws InputError naming the file, since pictures are normalised by the deviation of each channel */
function assertNotConstant({ images }: IdxSplit, dataset: StoredImages): void {
  const constant = constantChannel(dataset);
  if (!constant) return;
  const where = dataset.channels === 1 ? '' : ` of channel ${constant.channel}`;
  throw new InputError(
    `${images.file}: all pixels${where} are ${constant.pixel}, so that there is nothing to learn from; ` +
      'is it the right file?',
  );
}

/**
 * Reads a folder of `train-` and `t10k-` files: `…-images-idx3-ubyte` (`[length, height, width]`, greyscale) or
 * `…-images-idx4-ubyte` (`[length, channels, height, width]`) and `…-labels-idx1-ubyte`, each plain or with `.gz`.
 * An optional `classes.txt` names the classes, one a line; without it there are as many as the largest label asks for.
 *
 * @throws InputError if a file is missing or damaged, if the splits have pictures of different shape, if training
 *   pictures are constant, if there is one class alone, if a label has no class name, or without `classes.txt` if a
 *   class has no training picture
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
  const classNames = classNamesOf(path, train, test);
  const name = basename(resolve(path));
  const splits = {
    train: idxDataset(`${name}/train`, train, classNames),
    test: idxDataset(`${name}/test`, test, classNames),
  };
  assertNotConstant(train, splits.train);
  return splits;
}
