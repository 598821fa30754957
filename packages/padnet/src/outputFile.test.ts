import { execFileSync } from 'node:child_process';
import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { checkOutput, makeFolder, writeFileAtomic, writeOutput, type FileKind } from './outputFile.js';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-output-'));
  file = join(folder, 'file');
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const poem: FileKind = { name: 'poem', isOne: (beginning) => beginning.startsWith('Rose is') };

it('writes text and bytes, and makes folders', () => {
  const deep = join(folder, 'a', 'b', 'file');
  writeFileAtomic(deep, 'ä\n');
  expect(readFileSync(deep, 'utf8')).toBe('ä\n');
  writeFileAtomic(deep, Uint8Array.of(1, 2));
  expect([...readFileSync(deep)]).toEqual([1, 2]);
  expect(readdirSync(join(folder, 'a', 'b'))).toEqual(['file']);
  expect([makeFolder(join(folder, 'c', 'd')), makeFolder(join(folder, 'c', 'd'))]).toEqual([
    join(folder, 'c'),
    undefined,
  ]);
});

it('takes the place of nothing, of what is empty, and of its own kind', () => {
  for (const before of [null, '', 'Rose is a rose', 'Rose is red']) {
    if (before !== null) writeFileSync(file, before);
    writeOutput(file, `Rose is ${before}`, poem);
    expect(readFileSync(file, 'utf8')).toBe(`Rose is ${before}`);
  }
  expect(readdirSync(folder)).toEqual(['file']);
});

it('takes the place of nothing else, through a link neither', () => {
  writeFileSync(file, 'thesis');
  symlinkSync('file', join(folder, 'link'));
  for (const name of ['file', 'link']) {
    const path = join(folder, name);
    expect(() => {
      writeOutput(path, 'Rose is', poem);
    }).toThrow(`${path} is there already and is not a poem, so it is not replaced; choose another file`);
  }
  expect(readFileSync(file, 'utf8')).toBe('thesis');
  expect(() => {
    checkOutput(folder, poem);
  }).toThrow(`${folder} is a folder, expected a file`);
  writeFileSync(file, 'Rose is');
  writeOutput(join(folder, 'link'), 'Rose is new', poem);
  expect(readFileSync(file, 'utf8')).toBe('Rose is new');
  expect(lstatSync(join(folder, 'link')).isSymbolicLink()).toBe(true);
});

it('writes to devices and pipes as they are', () => {
  writeOutput('/dev/null', 'Rose is', poem);
  expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  expect(() => {
    writeOutput(pipe, 'Rose is', poem);
  }).toThrow(`${pipe} could not be written: it is a pipe that nobody reads, or a device that is not there`);
  expect(statSync(pipe).isFIFO()).toBe(true);
});

it.each<[string, (path: string) => void, RegExp]>([
  [
    'file/below',
    (path) => {
      writeFileAtomic(path, 'x');
    },
    /file could not be made|file is a file, expected a folder$/,
  ],
  [
    'file/below/deep',
    (path) => {
      writeFileAtomic(path, 'x');
    },
    /below could not be made: a part of its path is a file/,
  ],
  [
    'ring',
    (path) => {
      checkOutput(path, poem);
    },
    /ring could not be accessed: its symbolic links lead in a circle$/,
  ],
  [
    'ring/x',
    (path) => {
      writeFileAtomic(path, 'x');
    },
    /ring could not be made: its symbolic links lead in a circle$/,
  ],
  [
    'x'.repeat(300),
    (path) => {
      writeFileAtomic(path, 'x');
    },
    /x could not be written: its name is too long; /,
  ],
  [
    'nowhere',
    (path) => {
      writeFileAtomic(path, 'x');
    },
    /nowhere is a symbolic link that leads nowhere/,
  ],
  [
    'a\0b',
    (path) => {
      checkOutput(path, poem);
    },
    /could not be accessed: a path cannot hold the character NUL$/,
  ],
])('%o cannot be written, and says why', (name, attempt, expected) => {
  writeFileSync(file, 'mine');
  symlinkSync('ring', join(folder, 'ring'));
  symlinkSync('missing', join(folder, 'nowhere'));
  const before = readdirSync(folder);
  let message = '';
  try {
    attempt(join(folder, name));
  } catch (error) {
    ({ message } = error as Error);
  }
  expect(message).toMatch(expected);
  expect(message.replaceAll(folder, '')).not.toMatch(/E[A-Z]{3,}|syscall|\n/);
  expect(readdirSync(folder)).toEqual(before);
  expect(readFileSync(file, 'utf8')).toBe('mine');
});
