/** Lines that are short enough to be read: Prettier breaks code, but neither comments nor strings. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { projectFiles, root } from './projectFiles.js';

/** The width that Prettier has too. */
const columns = 120;

/** A regular expression alone on its line: it cannot be broken. */
const regularExpression = /^\s*\/(?![/*]).*\/[a-z]*[,;]?$/;

it('no line of TypeScript or C++ that is written by hand is longer than 120 characters', () => {
  const packages = ['packages/torch', 'packages/padnet', 'packages/site'];
  const folders = [...packages, 'benchmarks', 'examples', 'packaging', 'tests'];
  const files = folders
    .flatMap((folder) => projectFiles(/\.(ts|cc|h)$/, join(root, folder)))
    .filter((file) => !file.includes('.generated.'));
  expect(files.length).toBeGreaterThan(500);
  const longLines = files.flatMap((file) =>
    readFileSync(join(root, file), 'utf8')
      .split('\n')
      .flatMap((line, index) =>
        line.length > columns && !regularExpression.test(line) ? [`${file}:${index + 1}`] : [],
      ),
  );
  expect(longLines).toEqual([]);
});
