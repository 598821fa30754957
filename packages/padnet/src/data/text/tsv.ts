/** Tab-separated files without quoting, as GLUE has them: quote characters are ordinary text. */

import { InputError } from '../../errors.js';
import { maxTextBytes, readRegularFile } from '../../readRegularFile.js';
import { gunzip } from '../gunzip.js';

export interface TsvFile {
  /** Path that it was read from. */
  readonly file: string;
  readonly columns: readonly string[];
  /** One array of `columns.length` fields a row. */
  readonly rows: readonly (readonly string[])[];
  /** Line of row 0, from 1. */
  readonly firstLine: number;
}

const LINE_FEED = 0x0a;

/** How many wrong lines a message lists. */
const LISTED_LINES = 5;

function readFile(file: string): Uint8Array {
  const bytes = readRegularFile(file, { expected: 'tab-separated text', maxBytes: maxTextBytes });
  if (!file.endsWith('.gz')) return bytes;
  const tooLong = (): InputError =>
    new InputError(`${file}: expected at most ${maxTextBytes} bytes of text, found more; split the file`);
  return gunzip(bytes, file, maxTextBytes, tooLong);
}

/** The text of UTF-8 bytes, without a byte-order mark. */
function decode(bytes: Uint8Array, file: string): string {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    let line = 1;
    for (let start = 0; start < bytes.length; line++) {
      const end = bytes.indexOf(LINE_FEED, start);
      const next = end === -1 ? bytes.length : end + 1;
      try {
        decoder.decode(bytes.subarray(start, next));
      } catch {
        break;
      }
      start = next;
    }
    throw new InputError(`${file}: line ${line} holds a byte that is not UTF-8; convert the file to UTF-8`, { cause });
  }
}

/**
 * Reads a file, gzipped if its name ends in `.gz`, with lines that end in LF or CRLF.
 *
 * @param headerless names of the columns of a file without header line; null: its first line names them
 * @throws InputError if the file is unreadable, damaged, empty or not UTF-8, or a line has another number of columns
 */
export function readTsv(file: string, headerless: readonly string[] | null): TsvFile {
  const lines = decode(readFile(file), file).split('\n');
  if (lines.at(-1) === '') lines.pop();
  const all = lines.map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line).split('\t'));
  const columns = headerless ?? all.shift();
  if (columns === undefined || all.length === 0) {
    throw new InputError(`${file}: expected at least one example, found none; get the file again`);
  }
  const firstLine = headerless ? 1 : 2;
  const wrong = all.flatMap((row, index) => (row.length === columns.length ? [] : [index]));
  if (wrong.length > 0) {
    const [first] = wrong as [number];
    const listed = wrong.slice(1, 1 + LISTED_LINES).map((index) => index + firstLine);
    const others = [...listed, ...(wrong.length > 1 + LISTED_LINES ? ['…'] : [])].join(', ');
    throw new InputError(
      `${file}: line ${first + firstLine} has ${all[first]!.length} columns, expected ${columns.length} between tabs ` +
        `(${columns.join(', ')})${others && `; so have lines ${others}, ${wrong.length} in all`}; ` +
        'correct or remove what is wrong',
    );
  }
  return { file, columns, rows: all, firstLine };
}

/** The fields of one column. Throws InputError if there is none of that name. */
export function tsvColumn({ file, columns, rows }: TsvFile, name: string): string[] {
  const column = columns.indexOf(name);
  if (column === -1) {
    throw new InputError(`${file}: line 1 names no column ${name}, expected it among ${columns.join(', ')}`);
  }
  return rows.map((row) => row[column]!);
}
