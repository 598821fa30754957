/** Folders of pictures as torchvision's ImageFolder reads them: `train/<class>/…` and `val/<class>/…`. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { z } from 'zod';

import { describeIssues, InputError, reasonOf } from '../errors.js';
import { badPictureError, type BadPicture, type OnBadPicture } from './badPicture.js';
import type { ImageSplits, PictureFolder } from './dataset.js';
import { inspectPicture } from './decodePicture.js';
import { inParallel, poolThreads } from './inParallel.js';
import { pictureFiles, type PictureFile } from './pictureFiles.js';
import { RandomStream } from './random.js';
import { permutation } from './sampleOrder.js';

export interface PictureFolderOptions {
  /** Side of the square that the network is given. @default 224 */
  readonly size?: number | undefined;
  /** `imagenet_class_index.json`: the names of classes whose folders have other ones. */
  readonly classIndex?: string | undefined;
  /** A fixed random sample of so many training pictures. */
  readonly trainLimit?: number | undefined;
  readonly testLimit?: number | undefined;
  /** Told of each picture that is left out, before training; absent: they are an error. */
  readonly onBadPicture?: OnBadPicture | undefined;
}

interface Listed {
  readonly path: string;
  readonly label: number;
}

/**
 * Classes are the folders of `train`, in order of their names; `val` has the same. Files may lie deeper; hidden ones (`.…`)
 * are passed over, all others are opened: what they are is seen from their contents, not their names. Headers are read here,
 * a millisecond each, pixels for each batch.
 *
 * @throws InputError if a folder is missing, if class folders of `train` and `val` differ, if a class has no picture, or if
 *   pictures can not be used and there is no `onBadPicture`: one line a problem
 */
export async function loadPictureFolder(
  path: string,
  options: PictureFolderOptions = {},
): Promise<ImageSplits<PictureFolder>> {
  const { size = 224, classIndex, trainLimit, testLimit, onBadPicture } = options;
  const classes = classFolders(join(path, 'train'));
  assertSameClasses(path, classes, classFolders(join(path, 'val')));
  const classNames = classIndex === undefined ? classes : namesByIndex(classIndex, classes);
  const bad: BadPicture[] = [];
  const load = async (split: string, limit: number | undefined): Promise<PictureFolder> => {
    const root = join(path, split);
    const listed = sample(
      classes.flatMap((name, label) => listClass(root, name).map((file) => ({ path: file, label }))),
      limit,
    );
    const inspected: (PictureFile | null)[] = listed.map(() => null);
    const failures = new Map<number, BadPicture>();
    await inParallel(listed.length, poolThreads, async (index) => {
      const file = listed[index]!.path;
      try {
        inspected[index] = { path: file, ...(await inspectPicture(join(root, file))) };
      } catch (error) {
        failures.set(index, { file: join(root, file), reason: (error as Error).message });
      }
    });
    for (const index of listed.keys()) if (failures.has(index)) bad.push(failures.get(index)!);
    const labels = listed.filter((_, index) => inspected[index] !== null).map(({ label }) => label);
    const files = inspected.filter((file) => file !== null);
    const shared = new Uint16Array(new SharedArrayBuffer(2 * labels.length));
    shared.set(labels);
    return {
      kind: 'folder',
      name: `${basename(resolve(path))}/${split}`,
      files: pictureFiles(root, files),
      labels: shared,
      length: files.length,
      channels: 3,
      height: size,
      width: size,
      numClasses: classes.length,
      classNames,
    };
  };
  const splits = { train: await load('train', trainLimit), test: await load('val', testLimit) };
  if (bad.length > 0 && !onBadPicture) throw badPictureError(bad);
  for (const picture of bad) onBadPicture?.(picture);
  assertPictures(path, splits, { trainLimit, testLimit });
  return splits;
}

function readFolder(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
      .filter((name) => !name.startsWith('.'))
      .sort();
  } catch (cause) {
    throw new InputError(
      `${folder}: expected a folder of pictures, but ${reasonOf(cause)}; set data.path to a folder with train/<class> and val/<class>`,
      { cause },
    );
  }
}

/** Links are followed; one that leads nowhere or in a circle counts as a file, which is then a bad picture. */
function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function classFolders(folder: string): readonly string[] {
  return readFolder(folder).filter((name) => isFolder(join(folder, name)));
}

/** Paths below `root` of all files of a class. */
function listClass(root: string, name: string): string[] {
  const visit = (folder: string): string[] =>
    readFolder(folder).flatMap((each) => {
      const path = join(folder, each);
      return isFolder(path) ? visit(path) : [relative(root, path)];
    });
  return visit(join(root, name));
}

function assertSameClasses(path: string, train: readonly string[], val: readonly string[]): void {
  const problems = [
    ...train
      .filter((name) => !val.includes(name))
      .map((name) => `${join(path, 'val')}: class ${name} of train is missing`),
    ...val
      .filter((name) => !train.includes(name))
      .map((name) => `${join(path, 'train')}: class ${name} of val is missing`),
  ];
  if (problems.length > 0) throw new InputError(problems.join('\n'));
  if (train.length === 0)
    throw new InputError(`${join(path, 'train')}: expected a folder for each class, there is none`);
}

function assertPictures(
  path: string,
  { train, test }: ImageSplits<PictureFolder>,
  limits: Pick<PictureFolderOptions, 'trainLimit' | 'testLimit'>,
): void {
  const problems: string[] = [];
  for (const [split, { labels, length, classNames }, limit] of [
    ['train', train, limits.trainLimit],
    ['val', test, limits.testLimit],
  ] as const) {
    const found = new Set(labels);
    const empty = limit === undefined ? classNames.filter((_, label) => !found.has(label)) : [];
    for (const name of empty) problems.push(`${join(path, split)}: class ${name} has no picture that can be used`);
    if (length === 0 && empty.length === 0) problems.push(`${join(path, split)}: there is no picture that can be used`);
  }
  if (problems.length > 0) throw new InputError(problems.join('\n'));
}

/** The same ones for every seed, in the order of the list: a list is sorted by class, so its first ones will not do. */
function sample(listed: readonly Listed[], limit: number | undefined): readonly Listed[] {
  if (limit === undefined || limit >= listed.length) return listed;
  const chosen = permutation(listed.length, new RandomStream(1, 'subset', 0)).subarray(0, limit);
  return Array.from(chosen.sort(), (index) => listed[index]!);
}

const classIndexSchema = z.record(z.string(), z.tuple([z.string(), z.string()]));

/** @param file `{ "0": ["n01440764", "tench"], … }` */
function namesByIndex(file: string, folders: readonly string[]): readonly string[] {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new InputError(`${file}: expected a class index (${reasonOf(cause)})`, { cause });
  }
  const parsed = classIndexSchema.safeParse(json);
  if (!parsed.success) {
    throw new InputError(`${file}: expected {"0": ["n01440764", "tench"], …}: ${describeIssues(parsed.error)}`);
  }
  const names = new Map(Object.values(parsed.data));
  return folders.map((folder) => {
    const name = names.get(folder);
    if (name === undefined) throw new InputError(`${file}: the class of folder ${folder} is not in it`);
    return name;
  });
}
