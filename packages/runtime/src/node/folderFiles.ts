import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelFiles, ReadOptions } from '../engine/modelFiles.js';
import { InputError } from '../errors.js';

/** Bytes that are read at once. */
const CHUNK = 2 ** 24;

/** The files of a folder. */
export function folderFiles(folder: string): ModelFiles {
  const path = (name: string): string => join(folder, name);
  return {
    path,
    read: async (name, kind, options) => {
      try {
        return await readFile(path(name), name, options);
      } catch (cause) {
        options.signal?.throwIfAborted();
        if (kind === 'tokenizer' && (cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
        // What has no code is not of the file system: `onProgress` threw it.
        const isOther = !('code' in (cause as object)) && !(cause instanceof RangeError);
        if (cause instanceof InputError || isOther) throw cause;
        throw new InputError(`${path(name)} ${problem(cause)}; give the folder of an exported network`, { cause });
      }
    },
  };
}

async function readFile(
  path: string,
  name: string,
  { signal, onProgress }: ReadOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  // O_NONBLOCK: a named pipe must not be waited for.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw new InputError(`${path} is no file; give the folder of an exported network`);
    const bytes = new Uint8Array(stats.size);
    for (let at = 0; at < bytes.length;) {
      signal?.throwIfAborted();
      const { bytesRead } = await handle.read(bytes, at, Math.min(CHUNK, bytes.length - at), at);
      if (bytesRead === 0) throw new InputError(`${path} became shorter while it was read; load it again`);
      at += bytesRead;
      onProgress?.({ file: name, loadedBytes: at, totalBytes: bytes.length, fromCache: false });
    }
    return bytes;
  } finally {
    await handle.close();
  }
}

const problems: Readonly<Record<string, string>> = {
  ENOENT: 'is not there',
  ENOTDIR: 'is not there',
  EACCES: 'may not be read',
  EPERM: 'may not be read',
  EMFILE: 'cannot be opened: too many files are open',
};

function problem(error: unknown): string {
  if (error instanceof RangeError) return 'is too large for the memory there is';
  return problems[(error as NodeJS.ErrnoException).code ?? ''] ?? 'cannot be read';
}
