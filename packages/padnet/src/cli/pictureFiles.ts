/** The pictures that a command line names: files, folders of them, and standard input. */
import { join } from 'node:path';
import type { Picture } from '../analysis/index.js';
import { listFiles } from '../data/index.js';
import { InputError } from '../errors.js';
import { isFolder, readStandardInput } from '../readRegularFile.js';
import { readLines } from './sentences.js';
import { UsageError } from './usageError.js';

/** Of a picture on standard input. */
const maxPictureBytes = 2 ** 28;

/** Files as they are named, those of folders in order of their names. @throws InputError where a folder has none */
export function picturesAt(paths: readonly string[]): Picture[] {
  return paths.flatMap((path) => {
    if (!isFolder(path)) return [{ file: path }];
    const files = listFiles(path);
    if (files.length === 0) throw new InputError(`${path}: there is no file in it`);
    return files.map((file) => ({ file: join(path, file.path) }));
  });
}

/** The same, with `-` for a picture on standard input. */
export async function picturesNamed(paths: readonly string[]): Promise<Picture[]> {
  if (paths.filter((path) => path === '-').length > 1) throw new UsageError('- is standard input: give it once');
  const pictures: Picture[] = [];
  for (const path of paths) {
    if (path !== '-') pictures.push(...picturesAt([path]));
    else {
      const bytes = await readStandardInput({ expected: 'a picture', maxBytes: maxPictureBytes });
      pictures.push({ file: 'standard input', bytes });
    }
  }
  return pictures;
}

/** The pictures that a file names, one a line. @param list a path, or `-` for standard input */
export async function picturesListed(list: string): Promise<Picture[]> {
  const paths = (await readLines(list, 'names of pictures, one a line')).filter((line) => line !== '');
  if (paths.length === 0) {
    throw new InputError(
      `${list === '-' ? 'standard input' : list}: expected names of pictures, one a line, found none`,
    );
  }
  return picturesAt(paths);
}
