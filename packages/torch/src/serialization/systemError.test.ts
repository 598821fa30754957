import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemErrorText } from './systemError.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-words-'));
  writeFileSync(join(folder, 'file'), '');
  symlinkSync('circle', join(folder, 'circle'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function caught(body: () => unknown): unknown {
  try {
    body();
  } catch (error) {
    return error;
  }
  return null;
}

it.each<[string, (name: string) => unknown, string]>([
  ['nothing', readFileSync, 'there is no such file'],
  ['nothing', readdirSync, 'there is no such folder'],
  ['nothing/below', mkdirSync, 'no folder can be made there'],
  ['.', readFileSync, 'it is a folder'],
  ['file/below', readFileSync, 'a part of its path is a file, not a folder'],
  ['file', readdirSync, 'it is a file, not a folder'],
  ['circle', readFileSync, 'its symbolic links lead in a circle'],
  ['x'.repeat(300), readFileSync, 'its name is too long'],
  ['file', mkdirSync, 'it exists already'],
  ['a\0b', readFileSync, 'a path cannot hold the character NUL'],
])('%s, %o: %s', (name, attempt, expected) => {
  const error = caught(() => attempt(join(folder, name)));
  expect(systemErrorText(error)).toBe(expected);
});

it('says what the system says where it has no words of its own, and nothing of other errors', () => {
  const rare = Object.assign(new Error('EMLINK: too many links, link'), { code: 'EMLINK', errno: -31 });
  expect(systemErrorText(rare)).toBe('too many links');
  for (const other of [new Error('no'), new RangeError('EIO'), 'EIO', null]) expect(systemErrorText(other)).toBeNull();
});
