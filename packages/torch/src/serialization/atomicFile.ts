/** Files that are replaced whole or not at all, whatever happens meanwhile. */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * Writes `file` under a temporary name in the same folder, forces it to the disk, and only then renames it over the old
 * one: after a crash, a full disk or an error there is either the old file or the new one. (A process that is killed may
 * leave its `.padnet-….tmp` behind; nothing reads it.) A symbolic link at `file` is replaced, not followed.
 *
 * @param content hands the bytes to `write`, in order and in pieces as it likes
 * @throws the error of the file system, or that of `content`; then the temporary file is removed
 */
export function writeFileAtomically(file: string, content: (write: (bytes: Uint8Array) => void) => void): void {
  const folder = dirname(file);
  const temporary = join(folder, `.padnet-${process.pid}-${randomBytes(6).toString('hex')}.tmp`);
  const descriptor = openSync(temporary, 'wx');
  let open = true;
  try {
    content((bytes) => {
      writeAll(descriptor, bytes);
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

/** The system may write less than it is asked to. */
function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.byteLength;) written += writeSync(descriptor, bytes, written);
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
