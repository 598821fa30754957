/**
 * Files that are written where somebody says: whole or not at all, with errors in words, and never in place of
 * something else.
 */
import { mkdirSync, readSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { writeFileAtomically } from '@padnet/torch/files';
import { InputError, reasonOf } from './errors.js';
import { openRegularFile } from './readRegularFile.js';

/** The kind of a file, seen from its contents: it may take the place of one of its own kind alone. */
export interface FileKind {
  /** In words, such as `report of padnet`. */
  readonly name: string;
  /** @param beginning the first 64 KiB, a character a byte */
  readonly isOne: (beginning: string) => boolean;
}

const beginningBytes = 2 ** 16;

/**
 * Checks that a file of this kind can be written here; changes nothing.
 *
 * @throws InputError where there is a folder, or a file of another kind that is not empty
 */
export function checkOutput(file: string, kind: FileKind): void {
  let beginning: string;
  try {
    const found = statSync(file, { throwIfNoEntry: false });
    if (found?.isDirectory()) throw new InputError(`${file} is a folder, expected a file`);
    if (!found?.isFile() || found.size === 0) return;
    beginning = readBeginning(file);
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`${file} could not be accessed: ${reasonOf(error)}`, { cause: error });
  }
  if (kind.isOne(beginning)) return;
  throw new InputError(
    `${file} is there already and is not a ${kind.name}, so it is not replaced; choose another file`,
  );
}

/** The first 64 KiB, a character a byte. @throws as `openRegularFile` */
export function readBeginning(file: string): string {
  using opened = openRegularFile(file);
  const bytes = Buffer.alloc(beginningBytes);
  return bytes.toString('latin1', 0, readSync(opened.descriptor, bytes));
}

/** `writeFileAtomic`, where `checkOutput` finds nothing in the way. @throws as both */
export function writeOutput(file: string, data: string | Uint8Array, kind: FileKind): void {
  checkOutput(file, kind);
  writeFileAtomic(file, data);
}

/**
 * Replaces a file, and makes its folder: at any instant, also of a crash or a full disk, either the old or the new one
 * is there.
 *
 * @throws InputError in one line with the file's name and why
 */
export function writeFileAtomic(file: string, data: string | Uint8Array): void {
  makeFolder(dirname(file));
  try {
    writeFileAtomically(file, (write) => {
      write(typeof data === 'string' ? Buffer.from(data) : data);
    });
  } catch (error) {
    throw notWritten(file, error);
  }
}

export function notWritten(file: string, error: unknown): InputError {
  return new InputError(`${file} could not be written: ${reasonOf(error)}; what was there before is kept`, {
    cause: error,
  });
}

/**
 * Makes a folder and those above it. (Node's own `recursive` never ends in /proc.)
 *
 * @returns the first of the folders that were made; undefined where all are there
 * @throws InputError where one cannot be made
 */
export function makeFolder(folder: string): string | undefined {
  let isFile: boolean;
  try {
    const found = statSync(folder, { throwIfNoEntry: false });
    if (found?.isDirectory()) return undefined;
    isFile = found !== undefined;
  } catch (error) {
    throw notMade(folder, error);
  }
  if (isFile) throw new InputError(`${folder} is a file, expected a folder`);
  const first = makeFolder(dirname(folder));
  try {
    mkdirSync(folder);
    return first ?? folder;
  } catch (error) {
    // Another process may have been quicker.
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return first;
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw new InputError(`${folder} is a broken link, expected a folder`, { cause: error });
    throw notMade(folder, error);
  }
}

function notMade(folder: string, error: unknown): InputError {
  return new InputError(`${folder} could not be made: ${reasonOf(error)}`, { cause: error });
}
