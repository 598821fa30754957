/** The data that a recipe names. */
import {
  emptyClasses,
  glueDefinition,
  glueTasks,
  limitPictures,
  limitTexts,
  loadCifar,
  loadFashionMnist,
  loadGlue,
  loadIdxFolder,
  loadOwnTexts,
  loadPictureFolder,
  ownSubmission,
  ownTextDefinition,
  tokenise,
  type DataSplit,
  type ImageSplits,
  type OnBadPicture,
  type OwnTextsOptions,
  type StoredImages,
  type TextDataset,
  type TextDefinition,
  type TextMetric,
  type TextTokenizer,
  type Truncation,
} from '../data/index.js';
import { InputError } from '../errors.js';
import type { GlueDataOptions, OwnTextDataOptions, PictureDataOptions, TextDataOptions } from '../recipe/recipe.js';
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
    train: trainLimit === undefined ? train : limitPictures(train, trainLimit),
    test: testLimit === undefined ? test : limitPictures(test, testLimit),
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
  readonly definition: TextDefinition;
  /** How the rows were divided, where the files do not say what is tested on; null: they do. */
  readonly split: DataSplit | null;
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

export interface LoadTextsOptions {
  /** How the run divided its rows when it began. @default as the recipe says */
  readonly split?: DataSplit | undefined;
}

/** @throws InputError where files are missing or damaged, naming file and line */
export function loadTexts(data: TextDataOptions, { split }: LoadTextsOptions = {}): TextSets {
  const sets = data.name === 'glue' ? glueSets(data) : ownSets(data, split);
  const limited = (set: TextDataset, count: number | undefined): TextDataset =>
    count === undefined ? set : limitTexts(set, count, sampleSeed);
  const { trainLimit, testLimit } = data;
  return {
    ...sets,
    train: limited(sets.train, trainLimit),
    test: limited(sets.test, testLimit),
    testMismatched: sets.testMismatched && limited(sets.testMismatched, testLimit),
  };
}

function glueSets({ name, task, path }: GlueDataOptions): TextSets {
  const { train, dev, devMismatched, test, testMismatched } = loadGlue({ task, path: neededPath(name, path) });
  return {
    definition: glueDefinition(task),
    split: null,
    train,
    test: dev,
    testMismatched: devMismatched,
    submission: test,
    submissionMismatched: testMismatched,
  };
}

function ownSets(data: OwnTextDataOptions, split: DataSplit | undefined): TextSets {
  const sets = loadOwnTexts({ ...ownOptions(data), split });
  return { ...sets, testMismatched: null, submission: null, submissionMismatched: null };
}

function ownOptions({ metric, ...data }: OwnTextDataOptions): OwnTextsOptions {
  return { ...data, metrics: [metric].flat() };
}

/** Texts to hand in answers for, of files of one's own: see `ownSubmission`. */
export function loadOwnSubmission(data: OwnTextDataOptions, definition: TextDefinition): TextDataset | null {
  return ownSubmission(ownOptions(data), definition);
}

/** What its texts mean. Of files of one's own whose classes are not listed, the training file is read. @throws InputError as `loadTexts` */
export function textDefinition(data: TextDataOptions): TextDefinition {
  return data.name === 'glue' ? glueDefinition(data.task) : ownTextDefinition(ownOptions(data));
}

/** What a network for these texts will be scored by, the score being the mean. */
export function textMetrics(data: TextDataOptions): readonly TextMetric[] {
  return data.name === 'glue' ? glueTasks[data.task].metrics : [data.metric].flat();
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
