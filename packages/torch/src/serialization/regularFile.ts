/** Files that are read: regular ones only, and what keeps them from being read in words. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { getSystemErrorMap } from 'node:util';

/** Fills `target` with the bytes of a file from `position` on. */
export type ReadBytes = (target: Uint8Array, position: number) => void;

/**
 * Calls `use` with the size of `file` in bytes and what reads them.
 *
 * @throws Error where it is a folder, pipe or device, which may have no end, or shrinks meanwhile; or that of the file system
 */
export function withRegularFile<T>(file: string, use: (size: number, read: ReadBytes) => T): T {
  // O_NONBLOCK: opening a named pipe must not wait for somebody to write to it.
  const descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(descriptor);
    if (!stat.isFile()) throw new Error('it is no regular file');
    return use(stat.size, (target, position) => {
      for (let done = 0; done < target.byteLength;) {
        const count = readSync(descriptor, target, done, target.byteLength - done, position + done);
        if (count === 0) throw new Error('it was cut off while it was read');
        done += count;
      }
    });
  } finally {
    closeSync(descriptor);
  }
}

/** Why a file could not be read or written, in one line: the system's words for its errors, without code and path. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { errno } = error as NodeJS.ErrnoException;
  const [message = ''] = error.message.split('\n');
  return (errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1]) ?? message;
}
