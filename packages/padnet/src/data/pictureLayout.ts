/** Which files of a folder are trained on and which are tested on, by class, before one of them is opened. */
import { join } from 'node:path';

import { InputError } from '../errors.js';
import { type DataSplit, stratifiedSplit } from './dataSplit.js';
import { type ClassFolder, classFolders, listFiles, type ListedFile, shortList } from './pictureListing.js';

/** Options for a folder of class folders alone, which does not say which pictures are tested on. */
export interface PictureSplitOptions {
  /** The share of each class that is tested on. @default 0.2 */
  readonly testFraction?: number | undefined;
  /** Decides which pictures these are. @default 1 */
  readonly splitSeed?: number | undefined;
  /** How a run divided the folder when it began. @default divided by `testFraction` and `splitSeed` */
  readonly split?: DataSplit | undefined;
}

export interface LabelledFile extends ListedFile {
  readonly label: number;
}

export interface PicturePart {
  /** Its name in messages. */
  readonly title: string;
  /** Its name within the name of the data set. */
  readonly name: string;
  readonly root: string;
  readonly files: readonly LabelledFile[];
}

export interface PictureLayout {
  readonly classes: readonly ClassFolder[];
  readonly train: PicturePart;
  readonly test: PicturePart;
  /** How the folder was divided; absent: it has a part to test on. */
  readonly split?: DataSplit;
}

const wayOut =
  'set data.path to a folder with train/<class> and val/<class> (or test/<class>), or with <class> alone, ' +
  'which is split by itself';

/** The names that a part to test on may have; where both are there, the first counts. */
const testNames = ['val', 'test'];

/** The part of a data set that a folder of this name is taken for, in upper or lower case; null: it is a class. */
export function partNamed(folder: string): string | null {
  const name = folder.toLowerCase();
  return name === 'train' || testNames.includes(name) ? name : null;
}

/**
 * Class folders lie in `train` and in `val` or `test`, the same ones in both; or in `path` itself, which is divided
 * then.
 *
 * @throws InputError where folders are missing or differ, or there are too few classes or files: one line a problem
 */
export function pictureLayout(path: string, options: PictureSplitOptions): PictureLayout {
  const folders = classFolders(path, wayOut);
  const parts = folders.map(({ name }) => name).filter((name) => partNamed(name) !== null);
  // A class may be called train: what is in it are pictures then, not folders.
  const isDivided =
    (parts.length > 1 && parts.some((name) => partNamed(name) === 'train')) ||
    parts.some((name) => classFolders(join(path, name), wayOut).length > 0);
  if (isDivided) return dividedLayout(path, parts, options);
  assertTwoClasses(path, folders);
  return flatLayout(path, folders, options);
}

/** The folder of this part; undefined where there is none. */
function partFolder(path: string, part: string, folders: readonly string[]): string | undefined {
  const [found, other] = folders.filter((name) => partNamed(name) === part);
  if (other === undefined) return found;
  throw new InputError(
    `${path}: expected one folder ${part}, there are ${found!} and ${other}; remove or rename one of them`,
  );
}

/** @param folders what of `path` is a part, by name */
function dividedLayout(path: string, folders: readonly string[], options: PictureSplitOptions): PictureLayout {
  const trained = partFolder(path, 'train', folders);
  const tested = testNames.map((name) => partFolder(path, name, folders)).find((name) => name !== undefined);
  if (trained === undefined || tested === undefined) {
    const [missing, there] = trained === undefined ? ['no train', tested!] : ['neither val nor test', trained];
    throw new InputError(
      `${path}: expected train and val (or test), there is ${missing}; ` +
        `add it, or set data.path to ${join(path, there)}, which is then split by itself`,
    );
  }
  const key = (['testFraction', 'splitSeed'] as const).find((name) => options[name] !== undefined);
  if (key !== undefined) {
    throw new InputError(
      `data.${key}: ${path} has ${tested}, which is tested on, so that nothing is split; ` +
        `remove the key, or set data.path to ${join(path, trained)}`,
    );
  }
  const [train, test] = [classFolders(join(path, trained), wayOut), classFolders(join(path, tested), wayOut)];
  const missing = (from: readonly ClassFolder[], inside: readonly ClassFolder[]): readonly ClassFolder[] =>
    from.filter(({ name }) => !inside.some((each) => each.name === name));
  const problems = [
    ...missing(train, test).map(({ name }) => `${join(path, tested)}: class ${name} of ${trained} is missing`),
    ...missing(test, train).map(({ name }) => `${join(path, trained)}: class ${name} of ${tested} is missing`),
  ];
  if (problems.length > 0) throw new InputError(problems);
  assertTwoClasses(join(path, trained), train);
  const part = (name: string, classes: readonly ClassFolder[]): PicturePart => {
    const root = join(path, name);
    return { title: root, name, root, files: labelledFiles(root, classes) };
  };
  return { classes: train, train: part(trained, train), test: part(tested, test) };
}

function flatLayout(
  path: string,
  classes: readonly ClassFolder[],
  { testFraction = 0.2, splitSeed = 1, split: stored }: PictureSplitOptions,
): PictureLayout {
  const all = labelledFiles(path, classes);
  const byClass = classes.map((_, label) => all.filter((file) => file.label === label).map((file) => file.path));
  const problems = byClass.flatMap((files, label) => {
    if (files.length >= 2) return [];
    const found = files.length === 0 ? 'no file' : 'one file';
    return `${path}: class ${classes[label]!.name} has ${found}, expected two or more, to train on and to test on`;
  });
  if (problems.length > 0) throw new InputError(problems);
  for (const [key, now, before] of [
    ['testFraction', testFraction, stored?.testFraction],
    ['splitSeed', splitSeed, stored?.seed],
  ] as const) {
    if (before === undefined || now === before) continue;
    throw new InputError(
      `data.${key}: the run divided ${path} by ${before} when it began, as its split.json says, not by ${now}; ` +
        'leave the key as it was',
    );
  }
  const split = stored ?? stratifiedSplit(byClass, { testFraction, seed: splitSeed });
  const part = (name: 'train' | 'test', does: string): PicturePart => ({
    title: `${path}, of what is ${does} on`,
    name,
    root: path,
    files: chosenFiles(path, all, split[name]),
  });
  return { classes, train: part('train', 'trained'), test: part('test', 'tested'), split };
}

/** In the order of `all`. */
function chosenFiles(path: string, all: readonly LabelledFile[], names: readonly string[]): LabelledFile[] {
  const wanted = new Set(names.map((name) => name.normalize('NFC')));
  const files = all.filter((file) => wanted.delete(file.path.normalize('NFC')));
  if (wanted.size === 0) return files;
  throw new InputError(
    `${path}: ${wanted.size === 1 ? 'a picture' : `${wanted.size} pictures`} of the run's split.json cannot be ` +
      `found: ${shortList([...wanted])}; ` +
      'put back what is missing, or evaluate other pictures with `padnet eval <run> --data <folder>`',
  );
}

/** All files of these classes, by class. */
export function labelledFiles(root: string, classes: readonly ClassFolder[]): LabelledFile[] {
  return classes.flatMap(({ folder }, label) => listFiles(root, folder).map((file) => ({ ...file, label })));
}

function assertTwoClasses(path: string, classes: readonly ClassFolder[]): void {
  if (classes.length >= 2) return;
  const found = classes.length === 0 ? 'found none' : `found only ${classes[0]!.name}`;
  throw new InputError(`${path}: expected the folders of two classes or more, ${found}; ${wayOut}`);
}
