/** Folders that `padnet export` writes: whole or not at all, and in place of nothing but what it wrote before. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { writeFileAtomic } from '../outputFile.js';
import { isThere } from '../readRegularFile.js';
import { writeWhole } from './outputFolder.js';

/** Contents by path within the folder; the last one marks the folder as written whole. */
export type FolderFiles = ReadonlyMap<string, string | Uint8Array>;

/**
 * @param what is in it, in words: `an exported network`
 * @throws InputError where the folder has files of somebody else's by these names, or has the mark already and is not
 *   forced; also as `writeWhole`
 */
export async function writeExported(out: string, files: FolderFiles, what: string, force: boolean): Promise<void> {
  const names = [...files.keys()];
  const mark = names.at(-1)!;
  const check = (): void => {
    if (isThere(join(out, mark))) {
      if (force) return;
      throw new InputError(`${out} has ${what} already; --force replaces it, or choose another folder`);
    }
    const foreign = names.find((name) => existsSync(join(out, name)));
    if (foreign !== undefined)
      throw new InputError(`${join(out, foreign)} is no file that padnet has written; choose another folder`);
  };
  await writeWhole(out, { check, marks: [mark] }, (staging) => {
    for (const [name, content] of files) writeFileAtomic(join(staging, name), content);
  });
}
