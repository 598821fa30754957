/** Which files below a folder are taken for pictures, and which of its folders for classes. */
import { readdirSync, realpathSync, type Dirent } from 'node:fs';
import { join } from 'node:path';

import { InputError } from '../errors.js';
import { isFolder, readProblem } from '../readRegularFile.js';

/** Hidden files, and what systems and archives leave in folders. */
const ignored = /^(?:\..*|thumbs\.db|ehthumbs\.db|desktop\.ini|__macosx|@eadir)$/i;

export interface ListedFile {
  /** Below the folder that was listed. */
  readonly path: string;
  /** Why it cannot be used, where that is known already. */
  readonly problem: string | null;
}

export interface ClassFolder {
  /** In composed Unicode (NFC): systems write the same letters in two ways. */
  readonly name: string;
  /** As the disk has it. */
  readonly folder: string;
}

/**
 * Folders of a folder, in order of their names.
 *
 * @throws InputError where it cannot be read, or two are called the same
 */
export function classFolders(path: string, wayOut: string): readonly ClassFolder[] {
  const found = entries(path, wayOut)
    .filter((entry) => isFolderEntry(join(path, entry.name), entry))
    .map(({ name }) => ({ name: name.normalize('NFC'), folder: name }))
    .sort((a, b) => compareText(a.name, b.name));
  const twice = found.find(({ name }, index) => name === found[index + 1]?.name);
  if (twice) {
    throw new InputError(
      `${path}: two folders are called ${twice.name}, in two ways of writing the same letters; rename one of them`,
    );
  }
  return found;
}

/**
 * All files below `<root>/<folder>` in order of their names, as paths below `root`. Links are followed, but not to a
 * folder that they lie in.
 */
export function listFiles(root: string, folder = ''): ListedFile[] {
  const visit = (path: string, ancestors: readonly string[]): ListedFile[] => {
    const real = realpathSync(join(root, path));
    if (ancestors.some((outer) => `${outer}/`.startsWith(`${real}/`)))
      return [{ path, problem: 'it is a link to a folder that it lies in' }];
    return entries(join(root, path), 'make it readable').flatMap((entry) => {
      const each = path === '' ? entry.name : `${path}/${entry.name}`;
      return isFolderEntry(join(root, each), entry)
        ? visit(each, [...ancestors, real])
        : [{ path: each, problem: null }];
    });
  };
  return visit(folder, folder === '' ? [] : [realpathSync(root)]);
}

/** Links are followed; one that leads nowhere counts as a file, which is then a bad picture. */
function isFolderEntry(path: string, entry: Dirent): boolean {
  return entry.isSymbolicLink() ? isFolder(path) : entry.isDirectory();
}

function entries(folder: string, wayOut: string): readonly Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter(({ name }) => !ignored.test(name))
      .sort((a, b) => compareText(a.name, b.name));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const missing = code === 'ENOENT' && !folder.includes('\ufffd');
    const problem = missing ? 'it is not there' : code === 'ENOTDIR' ? 'it is a file' : readProblem(folder, cause);
    throw new InputError(`${folder}: expected a folder of pictures, but ${problem}; ${wayOut}`, { cause });
  }
}

/** As `Array.sort` orders text: not by the language of the machine. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** In a message. */
export function shortList(names: readonly string[]): string {
  return names.length <= 5 ? names.join(', ') : `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`;
}
