/** Data sets of picture files in folders of classes. */
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';

import { InputError, reasonOf } from '../errors.js';
import { readJson } from '../jsonFile.js';
import { badPictureError, type BadPicture, type OnBadPicture } from './badPicture.js';
import type { ImageSplits, PictureFolder } from './dataset.js';
import { inspectPicture } from './decodePicture.js';
import { inParallel, poolThreads } from './inParallel.js';
import { pictureFiles, type PictureFile } from './pictureFiles.js';
import { STANDARD_CROP_FRACTION } from './pictureGeometry.js';
import {
  type LabelledFile,
  labelledFiles,
  partNamed,
  pictureLayout,
  type PictureSplitOptions,
} from './pictureLayout.js';
import { type ClassFolder, classFolders, shortList } from './pictureListing.js';
import { RandomStream } from './random.js';
import { permutation } from './sampleOrder.js';

export interface PictureFolderOptions extends PictureSplitOptions {
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

/** The shape that the pictures of a data set are brought to. */
export interface PictureShape {
  /** 1: grey, 3: RGB. */
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** See `centreGeometry`. */
  readonly cropFraction: number;
}

/**
 * Pictures in `train/<class>` and in `val/<class>` or `test/<class>`, as torchvision's ImageFolder reads them, or in
 * `<class>` alone: then some of each class are tested on. Classes are folders, in order of their names. Files may lie
 * deeper; hidden ones (`.…`) are passed over, all others are opened: what they are is seen from their contents, not
 * their names. Headers are read here, a millisecond each, pixels for each batch.
 *
 * @throws InputError if a folder is missing, if class folders of the parts differ, if a class has no picture, or if
 *   pictures cannot be used and there is no `onBadPicture`: one line a problem
 */
export async function loadPictureFolder(
  path: string,
  options: PictureFolderOptions = {},
): Promise<ImageSplits<PictureFolder>> {
  const { size = 224, classIndex, trainLimit, testLimit, onBadPicture } = options;
  const { classes, split, ...parts } = pictureLayout(path, options);
  const classNames = namesOf(classes, classIndex);
  const shape = { channels: 3, height: size, width: size, cropFraction: STANDARD_CROP_FRACTION };
  const bad: BadPicture[] = [];
  const load = async (part: 'train' | 'test', limit: number | undefined): Promise<PictureFolder> => {
    const { root, files } = parts[part];
    const name = `${basename(resolve(path))}/${parts[part].name}`;
    return await inspectFiles({ name, root, files: sample(files, limit), classNames, shape }, bad);
  };
  const train = await load('train', trainLimit);
  const test = await load('test', testLimit);
  tell(bad, onBadPicture);
  const problems = [
    ...problemsOf(parts.train.title, train, trainLimit),
    ...problemsOf(parts.test.title, test, testLimit),
  ];
  if (problems.length > 0) throw new InputError(problems);
  return { train, test, ...(split && { split }) };
}

export interface PictureTestSetOptions {
  /** Classes of the network. */
  readonly classNames: readonly string[];
  /** Input of the network. */
  readonly shape: PictureShape;
  readonly classIndex?: string | undefined;
  /** Told of each picture that is left out; absent: they are an error. */
  readonly onBadPicture?: OnBadPicture | undefined;
}

/**
 * Pictures in folders of classes that a network knows, all of them or some, to evaluate it on; null where there is no
 * such folder.
 *
 * @throws InputError where a folder is of no class that the network knows, or pictures cannot be used and there is no
 *   `onBadPicture`
 */
export async function loadPictureTestSet(
  path: string,
  { classNames, shape, classIndex, onBadPicture }: PictureTestSetOptions,
): Promise<PictureFolder | null> {
  const folders = classFolders(path, 'give a folder of pictures, or of folders of classes');
  if (folders.length === 0) return null;
  const labels = new Map(classNames.map((name, label) => [name.normalize('NFC'), label]));
  const names = namesOf(folders, classIndex);
  const unknown = names.filter((name) => !labels.has(name));
  if (unknown.length > 0) {
    const part = unknown.findLast((name) => partNamed(name) !== null);
    throw new InputError(
      `${path}: the network has no class ${shortList(unknown)}, only ${shortList(classNames)}; ` +
        (part === undefined ? 'rename or remove the folder, or ask `padnet predict`' : `give ${join(path, part)}`),
    );
  }
  const files = labelledFiles(path, folders).map((file) => ({ ...file, label: labels.get(names[file.label]!)! }));
  const bad: BadPicture[] = [];
  const found = await inspectFiles({ name: basename(resolve(path)), root: path, files, classNames, shape }, bad);
  tell(bad, onBadPicture);
  if (found.length === 0) throw new InputError(`${path}: there is no picture that can be used`);
  return found;
}

function tell(bad: readonly BadPicture[], onBadPicture: OnBadPicture | undefined): void {
  if (bad.length > 0 && !onBadPicture) throw badPictureError(bad);
  for (const picture of bad) onBadPicture?.(picture);
}

interface FileSet {
  readonly name: string;
  readonly root: string;
  readonly files: readonly LabelledFile[];
  readonly classNames: readonly string[];
  readonly shape: PictureShape;
}

/** The data set of the files whose headers are as they should be. @param bad receives the others */
async function inspectFiles(
  { name, root, files, classNames, shape }: FileSet,
  bad: BadPicture[],
): Promise<PictureFolder> {
  const found: (PictureFile | null)[] = files.map(() => null);
  const failures = new Map<number, BadPicture>();
  await inParallel(files.length, poolThreads, async (index) => {
    const { path, problem } = files[index]!;
    const file = join(root, path);
    try {
      if (problem !== null) throw new Error(problem);
      found[index] = { path, ...(await inspectPicture(file)) };
    } catch (error) {
      failures.set(index, { file, reason: reasonOf(error) });
    }
  });
  for (const index of files.keys()) if (failures.has(index)) bad.push(failures.get(index)!);
  const kept = found.filter((file) => file !== null);
  const labels = new Uint16Array(new SharedArrayBuffer(2 * kept.length));
  labels.set(files.filter((_, index) => found[index] !== null).map(({ label }) => label));
  return {
    kind: 'folder',
    name,
    files: pictureFiles(root, kept),
    labels,
    length: kept.length,
    ...shape,
    numClasses: classNames.length,
    classNames,
  };
}

/** A limit may leave classes out, but not all of them. */
function problemsOf(
  title: string,
  { labels, length, classNames }: PictureFolder,
  limit: number | undefined,
): readonly string[] {
  const found = new Set(labels);
  const empty = limit === undefined ? classNames.filter((_, label) => !found.has(label)) : [];
  if (empty.length > 0) return empty.map((name) => `${title}: class ${name} has no picture that can be used`);
  return length === 0 ? [`${title}: there is no picture that can be used`] : [];
}

/** The same ones for every seed, in the order of the list: a list is sorted by class, so its first ones will not do. */
function sample(files: readonly LabelledFile[], limit: number | undefined): readonly LabelledFile[] {
  if (limit === undefined || limit >= files.length) return files;
  const chosen = permutation(files.length, new RandomStream(1, 'subset', 0)).subarray(0, limit);
  return Array.from(chosen.sort(), (index) => files[index]!);
}

const classIndexSchema = z.record(z.string(), z.tuple([z.string(), z.string()]));

/** @param classIndex file of the names of other folders; without one, they are the folders' own */
function namesOf(folders: readonly ClassFolder[], classIndex: string | undefined): readonly string[] {
  if (classIndex === undefined) return folders.map(({ name }) => name);
  try {
    return namesByIndex(classIndex, folders);
  } catch (cause) {
    throw new InputError(`data.classIndex: ${reasonOf(cause)}`, { cause });
  }
}

/** @param file `{ "0": ["n01440764", "tench"], … }` */
function namesByIndex(file: string, folders: readonly ClassFolder[]): readonly string[] {
  const index = readJson(file, classIndexSchema, {
    expected: 'a class index',
    wayOut: 'write {"0": ["n01440764", "tench"], …}',
  });
  const names = new Map(Object.values(index));
  return folders.map(({ name: folder }) => {
    const name = names.get(folder);
    if (name === undefined) throw new InputError(`${file}: the class of folder ${folder} is not in it`);
    return name;
  });
}
