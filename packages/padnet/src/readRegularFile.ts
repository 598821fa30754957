/**
 * Whole files, read safely: a file is a regular one (links are followed), and no larger than what it should hold. A
 * named pipe would wait for somebody to write to it, and a device has no end.
 */
import { constants as bufferConstants } from 'node:buffer';
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, statSync, type Stats } from 'node:fs';
import { InputError, reasonOf } from './errors.js';

export interface ReadOptions {
  /** The kind of file that it should be, for messages, such as `a recipe`. */
  readonly expected: string;
  /** The size of the largest file that is read. @default as many as a buffer can have */
  readonly maxBytes?: number;
}

/** As many as a buffer can have, with one to see that there are no more. */
const maxFileBytes = bufferConstants.MAX_LENGTH - 1;

/** Text becomes one string, which cannot be longer. */
export const maxTextBytes = bufferConstants.MAX_STRING_LENGTH;

/** Settings that a person or a program wrote: recipes, configurations, lists of names. */
export const maxSettingsBytes = 2 ** 24;

/** @throws InputError naming the file, what was expected and what is there instead */
export function readRegularFile(file: string, options: ReadOptions): Buffer {
  return explained(file, options, () => {
    using opened = openRegularFile(file);
    return readAll(opened.descriptor, opened.size, options);
  });
}

/** The same as UTF-8. */
export function readRegularText(file: string, options: ReadOptions): string {
  const { maxBytes = maxTextBytes } = options;
  return readRegularFile(file, { ...options, maxBytes }).toString('utf8');
}

/**
 * Whether there is something by this name; a link that leads nowhere is, so that reading it says what is wrong.
 *
 * @throws InputError where that cannot be seen, as in a folder that may not be entered
 */
export function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOTDIR') return false; // a file has nothing in it
    throw new InputError(`${path} could not be accessed: ${reasonOf(cause)}`, { cause });
  }
}

/** Whether there is a folder by this name, or a link to one; what cannot be looked at is told of when it is read. */
export function isFolder(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  } catch {
    return false;
  }
}

/**
 * As `readRegularFile`, or a stream that a shell put in a file's place: `/dev/stdin`, or the `/dev/fd/63` of
 * `<(command)`.
 */
export function readInput(file: string, options: ReadOptions): Buffer {
  if (!/^\/(dev\/stdin|(dev|proc\/self)\/fd\/\d+)$/.test(file)) return readRegularFile(file, options);
  return explained(file, options, () => {
    using opened = open(file, constants.O_RDONLY);
    return readAll(opened.descriptor, 0, options);
  });
}

/** The bytes that a program is piped. @throws InputError where it does not end within the bound */
export async function readStandardInput(options: ReadOptions): Promise<Buffer> {
  const { expected, maxBytes = maxFileBytes } = options;
  const name = 'standard input';
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > maxBytes) throw new Error(tooLarge(`more than ${maxBytes}`, maxBytes));
    }
  } catch (cause) {
    throw new InputError(`${name}: expected ${expected}, but ${readProblem(name, cause)}`, { cause });
  }
  return Buffer.concat(chunks, length);
}

function tooLarge(bytes: string, maxBytes: number): string {
  return `it has ${bytes} bytes, of which at most ${maxBytes} are read; is it the right file?`;
}

export interface OpenedFile extends Disposable {
  readonly descriptor: number;
  /** Bytes, when it was opened. */
  readonly size: number;
}

/** For reading. @throws Error with the reason in words, or that of the system (see `readProblem`) */
export function openRegularFile(file: string): OpenedFile {
  // O_NONBLOCK: opening a named pipe must not wait for somebody to write to it.
  const opened = open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  const problem = kindProblem(opened.stats);
  if (problem === null) return opened;
  opened[Symbol.dispose]();
  throw new Error(problem);
}

function open(file: string, flags: number): OpenedFile & { readonly stats: Stats } {
  const descriptor = openSync(file, flags);
  const stats = fstatSync(descriptor);
  return {
    descriptor,
    size: stats.size,
    stats,
    [Symbol.dispose]: () => {
      closeSync(descriptor);
    },
  };
}

/** Why what is there is not a regular file, in words; null where it is one. */
export function kindProblem(stats: Stats): string | null {
  if (stats.isFile()) return null;
  if (stats.isDirectory()) return 'it is a folder';
  if (stats.isFIFO()) return 'it is a named pipe, not a file';
  return stats.isSocket() ? 'it is a socket, not a file' : 'it is a device, not a file';
}

/** The number of bytes asked for where a file does not say its size. */
const firstChunk = 2 ** 16;

/** To the end, wherever that is: files of `/proc` and streams have no size, and others may grow meanwhile. */
function readAll(descriptor: number, size: number, { maxBytes = maxFileBytes }: ReadOptions): Buffer {
  if (size > maxBytes) throw new Error(tooLarge(String(size), maxBytes));
  // One byte more than there should be shows the end without another buffer.
  let buffer = Buffer.allocUnsafe((size === 0 ? Math.min(maxBytes, firstChunk) : size) + 1);
  for (let length = 0; ;) {
    const count = readSync(descriptor, buffer, length, Math.min(buffer.length - length, 2 ** 30), null);
    if (count === 0) return buffer.subarray(0, length);
    length += count;
    if (length > maxBytes) throw new Error(tooLarge(`more than ${maxBytes}`, maxBytes));
    if (length < buffer.length) continue;
    const larger = Buffer.allocUnsafe(Math.min(2 * length, maxBytes + 1));
    buffer.copy(larger);
    buffer = larger;
  }
}

function explained<T>(file: string, { expected }: ReadOptions, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new InputError(`${file}: expected ${expected}, but ${readProblem(file, cause)}`, { cause });
  }
}

/** Why `file` cannot be read, in words, from what the system or `openRegularFile` threw. */
export function readProblem(file: string, error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return missingProblem(file);
  if (code === 'ENXIO') return 'it is a socket, not a file'; // pipes are opened without waiting
  return error instanceof RangeError ? 'there is not enough memory for it' : reasonOf(error);
}

function missingProblem(file: string): string {
  if (file === '') return 'its name is empty';
  // Bytes that are no UTF-8 became this character when the folder was listed.
  if (file.includes('\ufffd')) return 'its name is not UTF-8; rename it';
  return lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() ? 'it is a broken link' : 'there is no such file';
}
