/** Folders that `padnet export` writes: whole or not at all, and in place of nothing but what it wrote before. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { writeFileAtomic } from '../outputFile.js';
import { isThere } from '../readRegularFile.js';
import { writeWhole } from './outputFolder.js';

/** Contents by path within the folder; the last one marks the folder as written whole. */
export type FolderFiles = ReadonlyMap<string, string | Uint8Array>;

export interface ExportedKind {
  /** In words: `an exported network`. */
  readonly what: string;
  /** Paths of the files that were written with a mark of this kind; `mark` is its JSON, or null where it is none. */
  readonly filesOf: (mark: unknown) => readonly string[];
}

/**
 * @throws InputError where the folder has files of somebody else's by these names, or has the mark already and is not
 *   forced; also as `writeWhole`
 */
export async function writeExported(
  out: string,
  files: FolderFiles,
  { what, filesOf }: ExportedKind,
  force: boolean,
): Promise<void> {
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
  const replaced = (): readonly string[] =>
    isThere(join(out, mark)) ? filesOf(readJson(join(out, mark))).filter(isBeneath) : [];
  await writeWhole(out, { check, marks: [mark], replaced }, (staging) => {
    for (const [name, content] of files) writeFileAtomic(join(staging, name), content);
  });
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return null;
  }
}

/** Whether a path that was read never leaves the folder. */
function isBeneath(path: string): boolean {
  return path.split('/').every((part) => /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(part));
}
