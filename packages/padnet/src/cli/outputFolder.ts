/** Folders that commands write: as a whole or not at all, and in place of nothing but what padnet has written. */
import { randomBytes } from 'node:crypto';
import { readdirSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { InputError } from '../errors.js';
import { makeFolder } from '../outputFile.js';
import { isThere } from '../readRegularFile.js';
import { removeLeftovers } from '../runs/appendLine.js';
import { holdFolder, RunFolder } from '../runs/index.js';

interface OutputFolder {
  /** Changes nothing. @throws InputError where something is in the way */
  readonly check: () => void;
  /** Where a file of one of these names is, the folder is whole: they come last and go first. */
  readonly marks: readonly string[];
  /** Paths within the folder of the files that go where others come; looked up before anything is changed. */
  readonly replaced?: () => readonly string[];
}

/**
 * Has files written beside their places, and puts them there once all are whole: whatever fails before, what was there
 * stays.
 *
 * @param write writes the files to the folder that it is given, and may look at them
 * @throws InputError where the folder is a run's, or as `check` and `holdFolder`
 */
export async function writeWhole<T>(
  out: string,
  { check, marks, replaced = () => [] }: OutputFolder,
  write: (folder: string) => T | Promise<T>,
): Promise<T> {
  const checkAll = (): void => {
    if (isThere(new RunFolder(out).recipe)) throw new InputError(`${out} is a training run; choose another folder`);
    check();
  };
  checkAll();
  using _hold = await holdFolder(out);
  removeLeftovers(out);
  checkAll(); // another process may have been quicker
  const staging = join(out, `.padnet-${process.pid}-${randomBytes(6).toString('hex')}.tmp`);
  try {
    const result = await write(staging);
    const isMark = (name: string): boolean => marks.includes(name);
    const written = filesBelow(staging);
    const old = replaced();
    for (const name of [...marks, ...old]) rmSync(join(out, name), { force: true });
    removeEmptied(out, old);
    for (const name of [...written.filter((each) => !isMark(each)), ...written.filter(isMark)]) {
      makeFolder(dirname(join(out, name)));
      renameSync(join(staging, name), join(out, name));
    }
    return result;
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/** Removes the folders that files were in and nothing else is, but for `out` itself. */
function removeEmptied(out: string, files: readonly string[]): void {
  const folders = new Set<string>();
  for (const file of files)
    for (let folder = dirname(file); folder !== '.'; folder = dirname(folder)) folders.add(folder);
  // Those within others first.
  for (const folder of [...folders].sort((a, b) => b.length - a.length)) {
    try {
      rmdirSync(join(out, folder));
    } catch {
      // Something else is in it, or it has gone.
    }
  }
}

/** Paths from a folder to all files in it. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}
