/** Folders that `padnet export` writes: whole or not at all, and in place of nothing but what it wrote before. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { InputError } from '../errors.js';
import type { ModelFolder } from '../export/modelFolder.js';
import { writeFileAtomic } from '../outputFile.js';
import { isThere } from '../readRegularFile.js';
import { removeLeftovers } from '../runs/appendLine.js';
import { holdFolder, RunFolder } from '../runs/index.js';

/** Contents by path within the folder; the last one marks the folder as written whole. */
export type FolderFiles = ReadonlyMap<string, string | Uint8Array>;

interface FolderOptions {
  /** What is in it, in words: `an exported network`. */
  readonly what: string;
  readonly force: boolean;
}

export async function writeExport(out: string, { files }: ModelFolder, { force }: { readonly force: boolean }) {
  await writeMarkedFolder(out, files, { what: 'an exported network', force });
}

/**
 * Writes the files beside their places and puts them there once all are whole.
 *
 * @throws InputError where the folder is a run, has files of somebody else's by these names, or has the mark already
 *   and is not forced
 */
export async function writeMarkedFolder(
  out: string,
  files: FolderFiles,
  { what, force }: FolderOptions,
): Promise<void> {
  const names = [...files.keys()];
  const mark = names.at(-1)!;
  checkMarkedFolder(out, names, { what, force });
  using _hold = await holdFolder(out);
  removeLeftovers(out);
  checkMarkedFolder(out, names, { what, force }); // another process may have been quicker
  const staging = join(out, `.padnet-${process.pid}-${randomBytes(6).toString('hex')}.tmp`);
  try {
    for (const [name, content] of files) writeFileAtomic(join(staging, name), content);
    rmSync(join(out, mark), { force: true });
    for (const name of names) {
      mkdirSync(dirname(join(out, name)), { recursive: true });
      renameSync(join(staging, name), join(out, name));
    }
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/** Changes nothing. @throws as `writeMarkedFolder` */
export function checkMarkedFolder(out: string, names: readonly string[], { what, force }: FolderOptions): void {
  if (isThere(new RunFolder(out).recipe)) throw new InputError(`${out} is a training run; choose another folder`);
  if (isThere(join(out, names.at(-1)!))) {
    if (force) return;
    throw new InputError(`${out} has ${what} already; --force replaces it, or choose another folder`);
  }
  const foreign = names.find((name) => existsSync(join(out, name)));
  if (foreign !== undefined)
    throw new InputError(`${join(out, foreign)} is no file that padnet has written; choose another folder`);
}
