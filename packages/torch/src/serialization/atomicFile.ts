/** Files that are replaced whole or not at all, whatever happens meanwhile. */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
  type Stats,
} from 'node:fs';
import { dirname, join } from 'node:path';

/** Hands over bytes, in order and in pieces as the caller likes. */
export type Write = (bytes: Uint8Array) => void;

/**
 * Writes `file` under a temporary name in the same folder, forces it to the disk, and only then renames it over the old
 * one: after a crash, a full disk or an error there is either the old file or the new one. (A process that is killed
 * may leave its `.padnet-….tmp` behind; nothing reads it.) A symbolic link is followed: what it points to is replaced.
 *
 * Only a regular file can be replaced: a pipe, a terminal and devices such as /dev/null are written to as they are, and
 * so is whatever this process's standard output goes to.
 *
 * @throws the error of the file system, or that of `content`; then the temporary file is removed. Error where a link
 *   leads nowhere, or `file` is a disk or a socket
 */
export function writeFileAtomically(file: string, content: (write: Write) => void): void {
  const found = statSync(file, { throwIfNoEntry: false });
  const isLink = lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
  if (isLink && !found)
    throw new Error(`${file} is a symbolic link that leads nowhere; remove it or what it stands for`);
  if (!found || (found.isFile() && outputOf(found) === null) || found.isDirectory())
    replaceFile(isLink ? realpathSync(file) : file, content);
  else writeInPlace(file, found, content);
}

function replaceFile(file: string, content: (write: Write) => void): void {
  const folder = dirname(file);
  const temporary = join(folder, `.padnet-${process.pid}-${randomBytes(6).toString('hex')}.tmp`);
  const descriptor = openSync(temporary, 'wx');
  let open = true;
  try {
    content((bytes) => {
      writeFully(descriptor, bytes);
    });
    fsyncSync(descriptor);
    open = false;
    closeSync(descriptor);
    renameSync(temporary, file);
  } catch (error) {
    if (open) closeSync(descriptor);
    rmSync(temporary, { force: true });
    throw error;
  }
  syncFolder(folder);
}

/** The descriptor of standard output or error, where that is this very file; else null. */
function outputOf({ dev, ino }: Stats): number | null {
  const isSame = (descriptor: number): boolean => {
    const output = fstatSync(descriptor);
    return output.dev === dev && output.ino === ino;
  };
  return [1, 2].find(isSame) ?? null;
}

function writeInPlace(file: string, found: Stats, content: (write: Write) => void): void {
  // A descriptor of standard output knows where the next line goes; a second one of the same file would overwrite it.
  const output = outputOf(found);
  if (output === null && (found.isBlockDevice() || found.isSocket()))
    throw new Error(`${file} is ${found.isSocket() ? 'a socket' : 'a disk'}, no file to write to`);
  const descriptor = output ?? openInPlace(file, found.isFIFO());
  try {
    content((bytes) => {
      writeFully(descriptor, bytes);
    });
  } finally {
    if (output === null) closeSync(descriptor);
  }
}

/** A pipe that nobody reads is an error, not something to wait for. */
function openInPlace(file: string, isPipe: boolean): number {
  if (!isPipe) return openSync(file, constants.O_WRONLY);
  const probe = openSync(file, constants.O_WRONLY | constants.O_NONBLOCK);
  try {
    return openSync(file, constants.O_WRONLY);
  } finally {
    closeSync(probe);
  }
}

/**
 * All of the bytes: the system may write less than it is asked to, and nothing to a pipe that is full and does not
 * block.
 *
 * @throws the error of the system
 */
export function writeFully(descriptor: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.byteLength;) {
    try {
      const count = writeSync(descriptor, bytes, written);
      if (count === 0) throw new Error('the device takes no bytes');
      written += count;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5); // milliseconds
    }
  }
}

/** Forces the renaming itself to the disk. */
function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
