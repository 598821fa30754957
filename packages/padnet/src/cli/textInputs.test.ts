import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InputError } from '../errors.js';
import { readSentences } from './textInputs.js';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-sentences-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

function write(contents: string | Buffer): string {
  const file = join(folder, 'sentences.tsv');
  writeFileSync(file, contents);
  return file;
}

describe('readSentences', () => {
  it('reads a sentence a line, quotes and all, with either line end', async () => {
    expect(await readSentences(write('a "cat"\r\nein Kätzchen\nno end'), false)).toEqual([
      { first: 'a "cat"', second: null },
      { first: 'ein Kätzchen', second: null },
      { first: 'no end', second: null },
    ]);
  });

  it('reads a gzipped file, a byte-order mark, and lines that end in CR alone', async () => {
    const sentences = [
      { first: 'one', second: null },
      { first: 'two', second: null },
    ];
    expect(await readSentences(write('\ufeffone\rtwo\r'), false)).toEqual(sentences);
    expect(await readSentences(write(gzipSync('one\ntwo\n')), false)).toEqual(sentences);
  });

  it('reads pairs at tabs', async () => {
    expect(await readSentences(write('a cat\ta dog\n'), true)).toEqual([{ first: 'a cat', second: 'a dog' }]);
  });

  it.each([
    ['', false, 'expected at least one sentence, found none'],
    ['a\n\nb\n', false, 'line 2 is empty; fill it or remove it'],
    ['a\tb\nc\n', true, 'line 2 has 1 columns, expected 2: two sentences with a tab between'],
    ['a\tb\n', false, 'line 1 has 2 columns, expected 1: one sentence without a tab'],
    ['a\t \n', true, 'line 1 has an empty sentence; fill it or remove the line'],
    [Buffer.from('a\nna\xefve\n', 'latin1'), false, 'line 2 holds a byte that is not UTF-8; convert the file to UTF-8'],
    [Buffer.from('\ufeffone\n', 'utf16le'), false, 'is UTF-16, expected UTF-8; save it as UTF-8'],
    ['one\n\0\n', false, 'line 2 holds the character NUL; is it a text file?'],
  ])('names file and line of %j', async (contents, isPair, message) => {
    const file = write(contents);
    const failed = readSentences(file, isPair);
    await expect(failed).rejects.toThrow(InputError);
    await expect(failed).rejects.toThrow(`${file}: ${message}`);
  });

  it('says what is no file', async () => {
    await expect(readSentences(join(folder, 'none'), false)).rejects.toThrow(
      'none: expected sentences, but there is no such file',
    );
    await expect(readSentences(folder, false)).rejects.toThrow('it is a folder');
  });
});
