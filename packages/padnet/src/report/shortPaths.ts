/** Paths as a report shows them: whoever reads it elsewhere has other folders, and need not know ours. */
import { basename, dirname, isAbsolute, relative, resolve } from 'node:path';

/** The last name of a path, such as `photos`. */
export function shortPath(path: string): string {
  return basename(resolve(path));
}

/** Absolute paths from the innermost folder that all of them lie in; other values as they are. */
export function shortPaths(values: readonly string[]): string[] {
  const folders = values.filter((value) => isAbsolute(value)).map((path) => dirname(path));
  const common = folders.reduce((folder, other) => {
    let shared = folder;
    while (relative(shared, other).startsWith('..')) shared = dirname(shared);
    return shared;
  }, folders[0] ?? '');
  return values.map((value) => (isAbsolute(value) ? relative(common, value) || basename(value) : value));
}
