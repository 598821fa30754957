/** The pictures that a recipe names. */
import {
  domainPictures,
  emptyClasses,
  holdOutPictures,
  limitPictures,
  loadCifar,
  loadFashionMnist,
  loadIdxFolder,
  loadPictureFolder,
  type ImageSplits,
  type OnBadPicture,
  type StoredImages,
} from '../../data/index.js';
import type { PictureDataOptions } from '../../recipe/recipe.js';
import type { SplitOptions } from '../../runs/splitFile.js';
import { neededPath } from './neededPath.js';

/** Classes that a data set names and has no picture of. */
export interface EmptyClasses {
  /** The data set. */
  readonly name: string;
  readonly classes: readonly string[];
  /** The number of all classes. */
  readonly numClasses: number;
}

export interface LoadPicturesOptions extends SplitOptions {
  /** Told of the pictures that `data.onBadPicture: skip` leaves out. */
  readonly onBadPicture?: OnBadPicture | undefined;
  /** Told where there is no training picture of some classes. */
  readonly onEmptyClasses?: ((empty: EmptyClasses) => void) | undefined;
}

/** @throws InputError where files are missing or damaged */
export async function loadPictures(
  data: PictureDataOptions,
  { onBadPicture = () => undefined, onEmptyClasses, split, onDividedAnew }: LoadPicturesOptions = {},
): Promise<ImageSplits> {
  const splits = await readPictures(data, onBadPicture, split);
  if (!split && splits.split) onDividedAnew?.();
  const divided = data.validation ? { ...splits, ...holdOutPictures(splits.train, data.validation) } : splits;
  const { name, numClasses } = divided.train;
  const classes = emptyClasses(divided.train);
  if (classes.length > 0) onEmptyClasses?.({ name, classes, numClasses });
  return divided;
}

async function readPictures(
  { name, path, trainLimit, testLimit, domains, ...options }: PictureDataOptions,
  onBadPicture: OnBadPicture,
  split: SplitOptions['split'],
): Promise<ImageSplits> {
  if (name === 'imageFolder') {
    const { size, classIndex, testFraction, splitSeed } = options;
    const skip = options.onBadPicture === 'skip';
    return await loadPictureFolder(neededPath(name, path), {
      size,
      classIndex,
      trainLimit,
      testLimit,
      testFraction,
      splitSeed,
      split,
      ...(skip && { onBadPicture }),
    });
  }
  const { train, test } = loadStoredSplits(name, path);
  const limited = {
    train: trainLimit === undefined ? train : limitPictures(train, trainLimit),
    test: testLimit === undefined ? test : limitPictures(test, testLimit),
  };
  if (!domains) return limited;
  return {
    train: domainPictures(limited.train, 'train', domains),
    test: domainPictures(limited.test, 'test', domains),
  };
}

function loadStoredSplits(
  name: Exclude<PictureDataOptions['name'], 'imageFolder'>,
  path: string | undefined,
): ImageSplits<StoredImages> {
  switch (name) {
    case 'fashionMnist':
      return loadFashionMnist(path === undefined ? {} : { path });
    case 'cifar10':
    case 'cifar100':
      return loadCifar(name, { path: neededPath(name, path) });
    case 'idx':
      return loadIdxFolder(neededPath(name, path));
  }
}
