/** Files of the project as its authors wrote them. */
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** The folders that are installed, built or written by running. */
const madeFolders = new Set(['node_modules', 'dist', 'build', '.git', 'runs', 'networks', 'reports', 'pretrained']);

/** Paths from the root of all files whose name ends like this, in order. */
export function projectFiles(ending: RegExp, folder = root): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return madeFolders.has(entry.name) ? [] : projectFiles(ending, path);
      return entry.isFile() && ending.test(entry.name) ? [relative(root, path)] : [];
    })
    .sort();
}

/** README, CONTRIBUTING and the pages of `docs/`. */
export const pages = ['README.md', 'CONTRIBUTING.md', ...projectFiles(/\.md$/, join(root, 'docs'))];
