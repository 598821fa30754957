import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';

import { InputError } from '../../errors.js';
import { readTsv, tsvColumn } from './tsv.js';

const folder = mkdtempSync(join(tmpdir(), 'padnet-tsv-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function write(content: string | Uint8Array, name = 'dev.tsv'): string {
  const file = join(folder, name);
  writeFileSync(file, content);
  return file;
}

function expectError(file: string, message: string, headerless: readonly string[] | null = null): void {
  const read = () => readTsv(file, headerless);
  expect(read).toThrow(InputError);
  expect(read).toThrow(`${file}: ${message}`);
}

describe('readTsv', () => {
  it('takes quotes as text, and LF, CRLF, no last line end and a byte-order mark as they come', () => {
    const text = '\ufeffQuality\ttext\r\n1\t" the pie\n0\tbusiness " "\r\n1\t ';
    const tsv = readTsv(write(text), null);
    expect(tsv.columns).toEqual(['Quality', 'text']);
    expect(tsv.rows).toEqual([
      ['1', '" the pie'],
      ['0', 'business " "'],
      ['1', ' '],
    ]);
    expect(tsvColumn(tsv, 'text')).toEqual(['" the pie', 'business " "', ' ']);
    expect(readTsv(write(gzipSync(text), 'dev.tsv.gz'), null).rows).toEqual(tsv.rows);
  });

  it('gives back whatever fields were joined', () => {
    const field = fc
      .string({ unit: 'grapheme' })
      .map((text) => text.replace(/[\t\r\n]/g, ' ').replaceAll('\ufeff', ''));
    const rows = fc.array(fc.array(field, { minLength: 3, maxLength: 3 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(rows, fc.constantFrom('\n', '\r\n'), (rows, end) => {
        const file = write(rows.map((row) => row.join('\t') + end).join(''));
        expect(readTsv(file, ['a', 'b', 'c']).rows).toEqual(rows);
      }),
      { numRuns: 50 },
    );
  });

  it('counts lines from 1, after the header if there is one', () => {
    expect(readTsv(write('a\nx\n'), null).firstLine).toBe(2);
    expect(readTsv(write('x\n'), ['a']).firstLine).toBe(1);
  });

  it('names the line with a byte that is not UTF-8', () => {
    const bytes = Buffer.concat([Buffer.from('a\nfine\nna'), Buffer.from([0xef]), Buffer.from('ve\nfine\n')]);
    expectError(write(bytes), 'line 3 holds a byte that is not UTF-8; convert the file to UTF-8');
    expectError(write(gzipSync(bytes), 'bad.tsv.gz'), 'line 3 holds a byte that is not UTF-8');
    expectError(write(Buffer.from([0x61, 0x0a, 0xc3])), 'line 2 holds a byte');
  });

  it('names the lines that have too few columns or too many', () => {
    expectError(
      write('a\tb\n1\t2\n1\n1\t2\t3\n'),
      'line 3 has 1 columns, expected 2 between tabs (a, b); so have lines 4, 2 in all; correct or remove what is wrong',
    );
    expectError(write('1\t2\n'), 'line 1 has 2 columns, expected 1 between tabs (a); correct', ['a']);
    expectError(write('a\tb\n\n'), 'line 2 has 1 columns, expected 2 between tabs (a, b)');
    expectError(
      write('a\tb\n' + 'x\n'.repeat(9)),
      'line 2 has 1 columns, expected 2 between tabs (a, b); so have lines 3, 4, 5, 6, 7, …, 9 in all',
    );
  });

  it('wants an example', () => {
    expectError(write(''), 'expected at least one example, found none; get the file again');
    expectError(write('a\tb\n'), 'expected at least one example, found none');
    expectError(write(gzipSync(''), 'empty.tsv.gz'), 'expected at least one example, found none');
  });

  it('refuses a gzip file that is cut off or damaged, and what is no file', () => {
    const bytes = gzipSync('a\tb\n1\t2\n'.repeat(1000));
    expectError(
      write(bytes.subarray(0, -12), 'cut.tsv.gz'),
      'the gzip data are cut off or damaged (unexpected end of file)',
    );
    const damaged = Uint8Array.from(bytes).fill(0xff, 20, 30);
    expectError(write(damaged, 'damaged.tsv.gz'), 'the gzip data are cut off or damaged (');
    expectError(write('plain', 'plain.tsv.gz'), 'the gzip data are cut off or damaged (incorrect header check)');
    expectError(folder, 'expected tab-separated text, but it is a folder');
  });

  it('names a column that is not there', () => {
    const file = write('index\tsentence\n0\tHello\n');
    expect(() => tsvColumn(readTsv(file, null), 'label')).toThrow(
      `${file}: line 1 names no column label, expected it among index, sentence`,
    );
  });
});
