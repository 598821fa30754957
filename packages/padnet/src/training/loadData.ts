/** The data that a recipe names. */
import {
  emptyClasses,
  limit,
  limitText,
  loadCifar,
  loadFashionMnist,
  loadGlue,
  loadIdxFolder,
  loadPictureFolder,
  tokenise,
  type DataSplit,
  type ImageSplits,
  type OnBadPicture,
  type StoredImages,
  type TextDataset,
  type TextTokenizer,
  type Truncation,
} from '../data/index.js';
import { InputError } from '../errors.js';
import type { PictureDataOptions, TextDataOptions } from './recipe.js';
import type { TextSplits } from './textTask.js';

/** Classes that a data set names and has no picture of. */
export interface EmptyClasses {
  /** The data set. */
  readonly name: string;
  readonly classes: readonly string[];
  /** Of how many. */
  readonly numClasses: number;
}

export interface LoadPicturesOptions {
  /** Told of the pictures that `data.onBadPicture: skip` leaves out. */
  readonly onBadPicture?: OnBadPicture | undefined;
  /** Told where there is no training picture of some classes. */
  readonly onEmptyClasses?: ((empty: EmptyClasses) => void) | undefined;
  /** How the run divided its pictures when it began. @default as the recipe says */
  readonly split?: DataSplit | undefined;
}

/** @throws InputError where files are missing or damaged */
export async function loadPictures(
  data: PictureDataOptions,
  { onBadPicture = () => undefined, onEmptyClasses, split }: LoadPicturesOptions = {},
): Promise<ImageSplits> {
  const splits = await readPictures(data, onBadPicture, split);
  const { name, numClasses } = splits.train;
  const classes = emptyClasses(splits.train);
  if (classes.length > 0) onEmptyClasses?.({ name, classes, numClasses });
  return splits;
}

async function readPictures(
  { name, path, trainLimit, testLimit, ...options }: PictureDataOptions,
  onBadPicture: OnBadPicture,
  split: DataSplit | undefined,
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
  return {
    train: trainLimit === undefined ? train : limit(train, trainLimit),
    test: testLimit === undefined ? test : limit(test, testLimit),
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

/** What `data.path` has to name. */
const neededFolders = {
  cifar10: 'the folder of its binary version (data_batch_1.bin … test_batch.bin)',
  cifar100: 'the folder of its binary version (train.bin, test.bin)',
  idx: 'the folder with the IDX files',
  imageFolder: 'the folder with train and val',
  glue: 'the folder that holds CoLA/, RTE/, SST-2/ … (https://gluebenchmark.com/tasks)',
} as const;

/** @throws InputError where it is not given */
function neededPath(name: keyof typeof neededFolders, path: string | undefined): string {
  if (path !== undefined) return path;
  throw new InputError(`data.path: data.name is ${name}, so ${neededFolders[name]} is needed`);
}

export interface TextSets {
  readonly train: TextDataset;
  /** The development set. */
  readonly test: TextDataset;
  readonly testMismatched: TextDataset | null;
  /** Without labels, to hand in; null where the file is not there. */
  readonly submission: TextDataset | null;
  readonly submissionMismatched: TextDataset | null;
}

/** Of every seed the same rows: seeds differ in training alone. */
const sampleSeed = 1;

/** @throws InputError where files are missing or damaged, naming file and line */
export function loadTexts({ name, task, path, trainLimit, testLimit }: TextDataOptions): TextSets {
  const { train, dev, devMismatched, test, testMismatched } = loadGlue({ task, path: neededPath(name, path) });
  const limited = (set: TextDataset, count: number | undefined): TextDataset =>
    count === undefined ? set : limitText(set, count, sampleSeed);
  return {
    train: limited(train, trainLimit),
    test: limited(dev, testLimit),
    testMismatched: devMismatched && limited(devMismatched, testLimit),
    submission: test,
    submissionMismatched: testMismatched,
  };
}

export function tokeniseTexts(
  { train, test, testMismatched }: TextSets,
  tokenizer: TextTokenizer,
  options: { readonly maxLength: number; readonly onTruncate?: ((truncation: Truncation) => void) | undefined },
): TextSplits {
  return {
    train: tokenise(train, tokenizer, options),
    test: tokenise(test, tokenizer, options),
    testMismatched: testMismatched && tokenise(testMismatched, tokenizer, options),
  };
}
