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
  type ImageDataset,
  type ImageSplits,
  type OnBadPicture,
  type StoredImages,
  type ValidationOptions,
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
  const { name, numClasses } = splits.train;
  const classes = emptyClasses(splits.train);
  if (classes.length > 0) onEmptyClasses?.({ name, classes, numClasses });
  return splits;
}

async function readPictures(
  { name, path, trainLimit, testLimit, domains, validation, ...options }: PictureDataOptions,
  onBadPicture: OnBadPicture,
  split: SplitOptions['split'],
): Promise<ImageSplits> {
  if (name === 'imageFolder') {
    const { size, classIndex, testFraction, splitSeed } = options;
    const skip = options.onBadPicture === 'skip';
    const folder = await loadPictureFolder(neededPath(name, path), {
      size,
      classIndex,
      trainLimit,
      testLimit,
      testFraction,
      splitSeed,
      split,
      ...(skip && { onBadPicture }),
    });
    return heldOut(folder, validation);
  }
  const { train, test } = loadStoredSplits(name, path);
  const limited = {
    train: trainLimit === undefined ? train : limitPictures(train, trainLimit),
    test: testLimit === undefined ? test : limitPictures(test, testLimit),
  };
  const divided = heldOut(limited, validation);
  if (!domains) return divided;
  // Divided first, so that nothing of what is held out is printed into what is trained on.
  return {
    train: domainPictures(divided.train, 'train', domains),
    test: domainPictures(divided.test, 'test', domains),
    validation: divided.validation && domainPictures(divided.validation, 'validation', domains),
  };
}

function heldOut<Dataset extends ImageDataset>(
  splits: ImageSplits<Dataset>,
  validation: ValidationOptions | undefined,
): ImageSplits<Dataset> {
  return validation ? { ...splits, ...holdOutPictures(splits.train, validation) } : splits;
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
