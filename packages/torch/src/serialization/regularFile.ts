/** Files that are read: regular ones only. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

/** Fills `target` with the bytes of a file from `position` on. */
export type ReadBytes = (target: Uint8Array, position: number) => void;

/**
 * Calls `use` with the size of `file` in bytes and what reads them.
 *
 * @throws a `Failure` where it is a folder, pipe or device, which may have no end, or shrinks meanwhile; or that of the
 *   file system
 */
export function withRegularFile<T>(
  file: string,
  Failure: new (message: string) => Error,
  use: (size: number, read: ReadBytes) => T,
): T {
  // O_NONBLOCK: opening a named pipe must not wait for somebody to write to it.
  const descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(descriptor);
    if (!stat.isFile()) throw new Failure('is no regular file');
    return use(stat.size, (target, position) => {
      for (let done = 0; done < target.byteLength;) {
        const count = readSync(descriptor, target, done, target.byteLength - done, position + done);
        if (count === 0) throw new Failure('was cut off while it was read');
        done += count;
      }
    });
  } finally {
    closeSync(descriptor);
  }
}
