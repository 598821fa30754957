/**
 * Pictures and labels as MNIST stores them: `<split>-images-idx3-ubyte` and `<split>-labels-idx1-ubyte` in a folder.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { InputError } from '../errors.js';
import { readRegularFile } from '../readRegularFile.js';
import { imageDataset, type StoredImages } from './dataset.js';
import { decodeIdx, type IdxArray, idxShape } from './idx.js';

/** MNIST's names of its two splits. */
export type IdxSplitName = 'train' | 't10k';

export interface IdxFile extends IdxArray {
  /** Path that it was read from. */
  readonly file: string;
}

export interface IdxSplit {
  /** `[length, height, width]` or `[length, channels, height, width]`. */
  readonly images: IdxFile;
  /** `[length]`. */
  readonly labels: IdxFile;
}

/** Path of `<name>` or `<name>.gz` for the first of `names` that exists in `folder`; null where none does. */
export function existingFile(folder: string, names: readonly string[]): string | null {
  const paths = names.flatMap((name) => [name, `${name}.gz`]).map((name) => join(folder, name));
  return paths.find((path) => existsSync(path)) ?? null;
}

/** A file of which the header has been read. */
interface FoundIdx {
  readonly file: string;
  readonly bytes: Uint8Array;
  readonly shape: readonly number[];
}

/** Finds the `existingFile` of these names. */
function findIdxFile(folder: string, names: readonly string[], wayOut: string): FoundIdx {
  const file = existingFile(folder, names);
  if (file === null) {
    const missing = names.length === 1 ? 'it is not there' : 'neither is there';
    const found = existsSync(folder) ? missing : 'there is no such folder';
    throw new InputError(
      `${folder}: expected ${names.map((name) => `${name}[.gz]`).join(' or ')}, ${found}; ${wayOut}`,
    );
  }
  const bytes = readRegularFile(file, { expected: 'an IDX file' });
  return { file, bytes, shape: idxShape(bytes, file) };
}

function checkRank({ file, shape }: FoundIdx, ranks: readonly number[], what: string): void {
  if (!ranks.includes(shape.length)) {
    throw new InputError(`${file}: expected ${what}, found an IDX array of [${shape.join(', ')}]`);
  }
}

/**
 * Reads one split of a folder, plain files before gzipped ones. Headers are compared before anything is expanded.
 *
 * @param wayOut what the message of a missing file tells the user to do
 * @throws InputError if a file is missing, damaged, or has the wrong number of dimensions, or their lengths differ
 */
export function readIdxSplit(folder: string, split: IdxSplitName, wayOut: string): IdxSplit {
  const images = findIdxFile(folder, [`${split}-images-idx3-ubyte`, `${split}-images-idx4-ubyte`], wayOut);
  const labels = findIdxFile(folder, [`${split}-labels-idx1-ubyte`], wayOut);
  checkRank(images, [3, 4], 'pictures of [length, height, width] or [length, channels, height, width]');
  checkRank(labels, [1], 'labels of [length]');
  if (images.shape[0] !== labels.shape[0]) {
    throw new InputError(
      `${labels.file}: expected ${images.shape[0]!} labels, as many as ${images.file} has pictures, ` +
        `found ${labels.shape[0]!}`,
    );
  }
  if (images.shape.includes(0))
    throw new InputError(`${images.file}: there is no picture in an IDX array of [${images.shape.join(', ')}]`);
  const decoded = ({ file, bytes }: FoundIdx): IdxFile => ({ file, ...decodeIdx(bytes, file) });
  return { images: decoded(images), labels: decoded(labels) };
}

/** The dataset of a split; errors of `imageDataset` apply. */
export function idxDataset(name: string, { images, labels }: IdxSplit, classNames: readonly string[]): StoredImages {
  const [channels, height, width] = images.shape.length === 3 ? [1, ...images.shape.slice(1)] : images.shape.slice(1);
  return imageDataset({
    name,
    images: images.data,
    labels: labels.data,
    channels: channels!,
    height: height!,
    width: width!,
    classNames,
  });
}
