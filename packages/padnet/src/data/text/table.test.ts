import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';

import { InputError } from '../../errors.js';
import { formatOfName, readTable, type TableFormat, tableColumn, tableFormats, tsvFormat } from './table.js';

const { csv, jsonl } = tableFormats;

const folder = mkdtempSync(join(tmpdir(), 'padnet-table-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function write(content: string | Uint8Array, name = 'dev.tsv'): string {
  const file = join(folder, name);
  writeFileSync(file, content);
  return file;
}

function expectError(
  file: string,
  message: string,
  { format = tsvFormat, headerless = null }: { format?: TableFormat; headerless?: readonly string[] | null } = {},
): void {
  const read = () => readTable(file, format, headerless);
  expect(read).toThrow(InputError);
  expect(read).toThrow(`${file}: ${message}`);
}

/** A field that ends of lines do not cut. */
const field = fc.string({ unit: 'grapheme' }).map((text) => text.replace(/[\t\r\n\0]/g, ' ').replaceAll('\ufeff', ''));
const rowsOf = (field: fc.Arbitrary<string>) =>
  fc.array(fc.array(field, { minLength: 3, maxLength: 3 }), { minLength: 1, maxLength: 8 });

describe('a file of text', () => {
  it('names the line with a byte that is not UTF-8', () => {
    const bytes = Buffer.concat([Buffer.from('a\nfine\nna'), Buffer.from([0xef]), Buffer.from('ve\nfine\n')]);
    expectError(write(bytes), 'line 3 holds a byte that is not UTF-8; convert the file to UTF-8');
    expectError(write(gzipSync(bytes), 'bad.tsv.gz'), 'line 3 holds a byte that is not UTF-8');
    expectError(write(Buffer.from([0x61, 0x0a, 0xc3])), 'line 2 holds a byte');
  });

  it('is not UTF-16, and holds no NUL', () => {
    const text = 'a\tb\n1\t2\n';
    const utf16 = Buffer.from(`\ufeff${text}`, 'utf16le');
    expectError(write(utf16), 'is UTF-16, expected UTF-8; save it as UTF-8 (a spreadsheet\'s "CSV UTF-8")');
    expectError(write(Buffer.from(utf16).swap16()), 'is UTF-16, expected UTF-8');
    // Without a mark its every other byte is 0.
    expectError(write(utf16.subarray(2)), 'line 1 holds the character NUL; is it a text file?');
    expectError(write('a\tb\n1\t\0\n'), 'line 2 holds the character NUL');
  });

  it('wants an example', () => {
    expectError(write(''), 'expected at least one example, found none; get the file again');
    expectError(write('a\tb\n'), 'expected at least one example, found none');
    expectError(write(gzipSync(''), 'empty.tsv.gz'), 'expected at least one example, found none');
    for (const format of [csv, jsonl]) {
      expectError(write('\ufeff'), 'expected at least one example, found none', { format });
      expectError(write('\n\n'), 'expected at least one example, found none', { format });
    }
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
    expectError(join(folder, 'none.csv'), 'expected comma-separated text, but there is no such file', { format: csv });
  });

  it('is known by its name', () => {
    const names = [
      'a.csv',
      'A.CSV.gz',
      'b.tsv',
      'b.tab',
      'c.jsonl',
      'c.ndjson.gz',
      'c.json',
      'a.csv.bak',
      'csv',
      'a.constructor',
    ];
    expect(names.map(formatOfName)).toEqual(['csv', 'csv', 'tsv', 'tsv', 'jsonl', 'jsonl', null, null, null, null]);
  });
});

describe('tab-separated text', () => {
  it('takes quotes as text, and LF, CRLF, no last line end and a byte-order mark as they come', () => {
    const text = '\ufeffQuality\ttext\r\n1\t" the pie\n0\tbusiness " "\r\n1\t ';
    const tsv = readTable(write(text), tsvFormat);
    expect(tsv.columns).toEqual(['Quality', 'text']);
    expect(tsv.rows).toEqual([
      ['1', '" the pie'],
      ['0', 'business " "'],
      ['1', ' '],
    ]);
    expect(tableColumn(tsv, 'text')).toEqual(['" the pie', 'business " "', ' ']);
    expect(readTable(write(gzipSync(text), 'dev.tsv.gz'), tsvFormat).rows).toEqual(tsv.rows);
    expect(readTable(write(gzipSync(text), 'dev.tsv'), tsvFormat).rows).toEqual(tsv.rows);
  });

  it('gives back whatever fields were joined', () => {
    fc.assert(
      fc.property(rowsOf(field), fc.constantFrom('\n', '\r\n'), (rows, end) => {
        const file = write(rows.map((row) => row.join('\t') + end).join(''));
        expect(readTable(file, tsvFormat, ['a', 'b', 'c']).rows).toEqual(rows);
      }),
      { numRuns: 50 },
    );
  });

  it('counts lines from 1, after the header if there is one', () => {
    expect(readTable(write('a\nx\n'), tsvFormat).lines).toEqual([2]);
    expect(readTable(write('x\n'), tsvFormat, ['a']).lines).toEqual([1]);
  });

  it('names the lines that have too few columns or too many', () => {
    expectError(
      write('a\tb\n1\t2\n1\n1\t2\t3\n'),
      'line 3 has 1 columns, expected 2 between tabs (a, b); so have lines 4, 2 in all; ' +
        'correct or remove what is wrong',
    );
    expectError(write('1\t2\n'), 'line 1 has 2 columns, expected 1 between tabs (a); correct', { headerless: ['a'] });
    expectError(
      write('a\tb\n' + 'x\n'.repeat(9)),
      'line 2 has 1 columns, expected 2 between tabs (a, b); so have lines 3, 4, 5, 6, 7, …, 9 in all',
    );
  });
});

describe('ends of lines', () => {
  const rows = [
    ['one', 'a'],
    ['two', 'b'],
  ];
  const plain = { ...csv, quotes: false };

  it.each<[string, TableFormat]>([
    ['text\tlabel\rone\ta\rtwo\tb\r', tsvFormat],
    ['text\tlabel\rone\ta\rtwo\tb\n', tsvFormat],
    ['text,label\rone,a\rtwo,b\r\n', plain],
    ['text,label\rone,a\rtwo,b\n', csv],
    ['{"text":"one","label":"a"}\r{"text":"two","label":"b"}\n', jsonl],
  ])('of %j may be CR alone', (text, format) => {
    expect(readTable(write(text), format)).toMatchObject({ columns: ['text', 'label'], rows });
  });

  it('may be CR alone around an LF in quotes', () => {
    const table = readTable(write('"te\nxt",label\r"one\nor more",a\r"two\r\n",b\rthree,c', 'a.csv'), csv);
    expect(table.columns).toEqual(['te\nxt', 'label']);
    expect(table.rows.map(([text]) => text)).toEqual(['one\nor more', 'two\r\n', 'three']);
    expect(table.lines).toEqual([3, 5, 7]);
  });

  it('are counted where CR ends them, in what is said of a byte', () => {
    expectError(write(Buffer.from('a\rfine\rna\xefve\r', 'latin1')), 'line 3 holds a byte that is not UTF-8');
    expectError(write('a\rfine\r\0\r'), 'line 3 holds the character NUL');
  });

  it('may be twice before, between and after rows of several columns', () => {
    for (const [format, d] of [
      [tsvFormat, '\t'],
      [csv, ','],
      [plain, ','],
    ] as const) {
      // prettier-ignore
      const text = ['', 'text,label', '', 'one,a', '', 'two,b', '', ''].join('\n').replaceAll(',', d);
      expect(readTable(write(text), format)).toMatchObject({ columns: ['text', 'label'], rows, lines: [4, 6] });
      const headerless = readTable(write(text.replace(`text${d}label`, '')), format, ['text', 'label']);
      expect(headerless).toMatchObject({ rows, lines: [4, 6] });
    }
  });
});

describe('comma-separated text', () => {
  it('has quoted fields with commas, ends of lines and doubled quotes, and lines that are counted', () => {
    const rows = ['text,label', '"one, two",a', '"three\r\n""four""\n",b', '', 'five,a', '', ''];
    for (const end of ['\n', '\r\n']) {
      const table = readTable(write(`\ufeff${rows.join(end)}`, 'a.csv'), csv);
      expect(table.columns).toEqual(['text', 'label']);
      expect(table.rows).toEqual([
        ['one, two', 'a'],
        ['three\r\n"four"\n', 'b'],
        ['five', 'a'],
      ]);
      expect(table.lines).toEqual([2, 3, 7]);
    }
    expect(readTable(write('text,label\rone,a\rtwo,b\r', 'mac.csv'), csv)).toMatchObject({
      rows: [
        ['one', 'a'],
        ['two', 'b'],
      ],
      lines: [2, 3],
    });
  });

  it('gives back whatever fields were quoted, and the lines that rows begin in', () => {
    const any = fc.string({ unit: fc.constantFrom(',', '"', '\r', '\n', '\t', 'é', '😀', ' ', 'a'), maxLength: 6 });
    fc.assert(
      fc.property(rowsOf(fc.oneof(field, any)), fc.constantFrom('\n', '\r\n'), (rows, end) => {
        const written = rows.map((row) => row.map((each) => `"${each.replaceAll('"', '""')}"`).join(',') + end);
        const table = readTable(write(written.join(''), 'a.csv'), csv, ['a', 'b', 'c']);
        expect(table.rows).toEqual(rows);
        const starts = rows.map((_, row) => written.slice(0, row).join('').split('\n').length);
        expect(table.lines).toEqual(starts);
      }),
      { numRuns: 200 },
    );
  });

  it('keeps empty rows where there is one column, so that answers stand beside what they are of', () => {
    expect(readTable(write('text\none\n\nthree\n\n', 'a.csv'), csv)).toMatchObject({
      rows: [['one'], [''], ['three']],
      lines: [2, 3, 4],
    });
    expect(readTable(write('\ntext\none\n\nthree\n\n'), tsvFormat)).toMatchObject({
      rows: [['one'], [''], ['three']],
      lines: [3, 4, 5],
    });
  });

  it('names the line in which a quote opens that never closes, or is wrong', () => {
    const wayOut = 'write a quote within quotes twice, or set data.quotes: false where quotes are ordinary text';
    const read = (text: string, message: string): void => {
      expectError(write(text, 'a.csv'), `${message}; ${wayOut}`, { format: csv });
    };
    read('text,label\n"a\n",b\n"c,d\ne,f\n', 'line 4 opens a quote that is never closed');
    read('text,label\na,b\n"c" d,e\n', 'line 3 has text after a closing quote');
    read('text,label\na,b\nit is 5" long,e\n', 'line 3 has a quote within a field that does not begin with one');
    const plain = readTable(write('text,label\nit is 5" long,e\n', 'a.csv'), { ...csv, quotes: false });
    expect(plain.rows).toEqual([['it is 5" long', 'e']]);
  });

  it('names the lines that have too few columns or too many', () => {
    expectError(
      write('text,label\n"a\n",b\nc\nd,e,f\n', 'a.csv'),
      'line 4 has 1 columns, expected 2 between commas (text, label); so have lines 5, 2 in all; correct or remove',
      { format: csv },
    );
    const semicolons = { ...csv, delimiter: ';' };
    expect(readTable(write('text;label\n"a;b";c\n', 'a.csv'), semicolons).rows).toEqual([['a;b', 'c']]);
    expectError(write('text;label\nb\n', 'a.csv'), 'line 2 has 1 columns, expected 2 between ; (text, label)', {
      format: semicolons,
    });
  });
});

describe('JSON lines', () => {
  it('has an object a line, whose values are taken as text', () => {
    const text = '\ufeff{"text": "a\\nb", "label": 1}\r\n\n{"label": true, "text": "c", "tags": ["x"]}\n{"text": null}';
    const table = readTable(write(text, 'a.jsonl'), jsonl);
    expect(table.columns).toEqual(['text', 'label', 'tags']);
    expect(table.rows).toEqual([
      ['a\nb', '1', null],
      ['c', 'true', null],
      [null, null, null],
    ]);
    expect(table.lines).toEqual([1, 3, 4]);
    expect(readTable(write('{"__proto__": "x", "constructor": "y"}', 'a.jsonl'), jsonl)).toMatchObject({
      columns: ['__proto__', 'constructor'],
      rows: [['x', 'y']],
    });
  });

  it('has numbers as they are written', () => {
    const numbers = ['12345678901234567890', '12345678901234567891', '1.0', '-0', '1E+3', '0.10e-2'];
    const text = numbers
      .map((number) => `{"a 1": ${number}, "b":[-1,2.0], "text": "\\"1\\\\", "c":${number}}`)
      .join('\n');
    const { rows } = readTable(write(text, 'a.jsonl'), jsonl);
    expect(rows).toEqual(numbers.map((number) => [number, null, '"1\\', number]));
  });

  it('names the line that is none', () => {
    const refuse = (text: string, message: string): void => {
      expectError(write(text, 'a.jsonl'), message, { format: jsonl });
    };
    refuse('{"a": 1}\n{"a": 1\n', 'line 2 is not JSON, expected one object per line');
    refuse('{"a": 1}\n\n["b"]\n', 'line 3 is a list, expected one object per line');
    refuse('null', 'line 1 is null, expected one object per line');
    refuse(
      '[\n  {"a": 1}\n]',
      'line 1 is not JSON, expected one object per line; a file of one long value has to be written again',
    );
  });
});

describe('a column', () => {
  it('that is not there is named, beside those that are', () => {
    const file = write('index\tsentence\n0\tHello\n');
    const table = readTable(file, tsvFormat);
    const message = `${file}: line 1 names no column label, expected it among index, sentence`;
    expect(() => tableColumn(table, 'label')).toThrow(message);
    expect(() => tableColumn(table, 'label', 'data.labelColumn')).toThrow(
      `${message}; say which it is with data.labelColumn, or name the columns with data.columns if line 1 is a row`,
    );
    const read = (text: string) => readTable(write(text, 'a.csv'), csv);
    expect(() => tableColumn(read('text;label\na;b\n'), 'text', 'data.textColumn')).toThrow(
      'line 1 names no column text, expected it among text;label; ' +
        'if columns lie between ";", say so with data.delimiter',
    );
    expect(() => tableColumn(read('text, label,\na,b,c\n'), 'label')).toThrow('expected it among text, " label", ""');
    const json = write('{"text": "a"}\n', 'a.jsonl');
    expect(() => tableColumn(readTable(json, jsonl), 'label')).toThrow(
      `${json}: no object has the key label, expected it among text`,
    );
    expect(() => tableColumn(readTable(write('{}\n{}', 'a.jsonl'), jsonl), 'label')).toThrow(
      'a.jsonl: no object has a key, expected label among them',
    );
  });

  it('that is there twice is refused where it is asked for', () => {
    const file = write('text,label,text\na,b,c\n', 'a.csv');
    const table = readTable(file, csv);
    expect(tableColumn(table, 'label')).toEqual(['b']);
    expect(() => tableColumn(table, 'text')).toThrow(
      `${file}: line 1 names the column text twice; give one of them another name`,
    );
  });
});
