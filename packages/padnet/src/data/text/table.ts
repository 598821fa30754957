/** Tables in files: values between tabs or commas, with quoting or without, and JSON lines. */
import { basename } from 'node:path';
import { CsvError, parse } from 'csv-parse/sync';
import { InputError } from '../../errors.js';
import { endsInReturn, splitLines } from '../../text.js';
import { readTextFile } from './textFile.js';

/** How a file writes a table. */
export type TableFormat =
  | {
      readonly kind: 'delimited';
      /** One character. */
      readonly delimiter: string;
      /** Whether a field may be in quotes, with a quote inside doubled (RFC 4180); else quotes are ordinary text. */
      readonly quotes: boolean;
    }
  | { readonly kind: 'jsonLines' };

/** As GLUE's files are written. */
export const tsvFormat = { kind: 'delimited', delimiter: '\t', quotes: false } as const satisfies TableFormat;

export interface TextTable {
  /** Path that it was read from. */
  readonly file: string;
  readonly columns: readonly string[];
  /** The place that names the columns, in messages. */
  readonly namedBy: 'line 1' | 'no object';
  /** `columns.length` fields a row; null where JSON has none, or null. */
  readonly rows: readonly (readonly (string | null)[])[];
  /** The line that each row begins in, from 1. */
  readonly lines: readonly number[];
}

/** Endings of files, before `.gz`, and what is in them. */
export const tableFormats = {
  csv: { kind: 'delimited', delimiter: ',', quotes: true },
  tsv: tsvFormat,
  jsonl: { kind: 'jsonLines' },
} as const satisfies Record<string, TableFormat>;
export type TableFormatName = keyof typeof tableFormats;
export const tableFormatNames = Object.keys(tableFormats) as TableFormatName[];

const endings: Readonly<Record<string, TableFormatName>> = {
  csv: 'csv',
  tsv: 'tsv',
  tab: 'tsv',
  jsonl: 'jsonl',
  ndjson: 'jsonl',
};

/** The format that a file's name tells; null where it tells none. */
export function formatOfName(file: string): TableFormatName | null {
  const ending = /\.(\w+)(?:\.gz)?$/.exec(basename(file).toLowerCase())?.[1] ?? '';
  return Object.hasOwn(endings, ending) ? endings[ending]! : null;
}

/** How many wrong lines a message lists. */
const LISTED_LINES = 5;

/**
 * One error for all wrong rows of a table: the problem of the first, and the lines of the others.
 *
 * @param problem of the first, such as `has 3 columns, expected 4`
 * @param so what is said of the others, such as `so have`
 */
export function rowsError(
  { file, lines }: Pick<TextTable, 'file' | 'lines'>,
  rows: readonly number[],
  problem: string,
  so: string,
): InputError {
  const listed = rows.slice(1, 1 + LISTED_LINES).map((row) => lines[row]!);
  const others = [...listed, ...(rows.length > 1 + LISTED_LINES ? ['…'] : [])].join(', ');
  const more = others === '' ? '' : `; ${so} lines ${others}, ${rows.length} in all`;
  return new InputError(`${file}: line ${lines[rows[0]!]!} ${problem}${more}; correct or remove what is wrong`);
}

/**
 * Reads a table, gzipped or not.
 *
 * @param headerless names of the columns of a file without header line; null: its first line names them. Not for JSON
 *   lines
 * @throws InputError if the file is unreadable, damaged, without a row, or not UTF-8, or a row cannot be read, naming
 *   the line
 */
export function readTable(file: string, format: TableFormat, headerless: readonly string[] | null = null): TextTable {
  const bytes = readTextFile(file, expectedText(format));
  return parseTable(bytes, file, format, headerless);
}

function expectedText(format: TableFormat): string {
  if (format.kind === 'jsonLines') return 'JSON, an object a line';
  const names: Readonly<Record<string, string>> = { '\t': 'tab-separated text', ',': 'comma-separated text' };
  return names[format.delimiter] ?? `text with ${format.delimiter} between its columns`;
}

/** The same of the bytes of a text. @param file what messages call it */
export function parseTable(
  bytes: Buffer,
  file: string,
  format: TableFormat,
  headerless: readonly string[] | null = null,
): TextTable {
  const records = (delimiter: string, quotes: boolean): Records =>
    quotes ? quotedRecords(bytes, file, delimiter) : plainRecords(bytes, delimiter);
  const table =
    format.kind === 'jsonLines'
      ? jsonTable(bytes, file)
      : delimitedTable(records(format.delimiter, format.quotes), file, format.delimiter, headerless);
  if (table.rows.length === 0)
    throw new InputError(`${file}: expected at least one example, found none; get the file again`);
  return table;
}

interface Records {
  readonly rows: readonly (readonly string[])[];
  readonly lines: readonly number[];
}

function plainRecords(bytes: Buffer, delimiter: string): Records {
  const rows = splitLines(bytes).map((line) => line.split(delimiter));
  return { rows, lines: rows.map((_, index) => index + 1) };
}

function quotedRecords(bytes: Buffer, file: string, delimiter: string): Records {
  const inReturn = endsInReturn(bytes, true);
  const lineEnd = inReturn ? /\r\n|\r|\n/g : /\n/g;
  const rows: string[][] = [];
  const lines: number[] = [];
  let [place, line] = [0, 1];
  try {
    parse(bytes, {
      delimiter,
      record_delimiter: inReturn ? ['\r\n', '\r', '\n'] : ['\r\n', '\n'],
      relax_column_count: true,
      on_record: (record: string[], context) => {
        rows.push(record);
        lines.push(line);
        line += bytes.toString('latin1', place, context.bytes).match(lineEnd)?.length ?? 0;
        place = context.bytes;
        return null;
      },
    });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw quoteError(error, `${file}: line ${line}`);
  }
  return { rows, lines };
}

/** Empty lines are no rows, but for those between rows of one column, which may be empty. */
function withoutBlank({ rows, lines }: Records, numColumns: number | undefined): Records {
  const filled = [...rows.keys()].filter((row) => !isBlank(rows[row]!));
  const [first, last] = [filled[0] ?? 0, filled.at(-1) ?? -1];
  const single = (numColumns ?? rows[first]?.length) === 1;
  const kept = single ? Array.from({ length: last - first + 1 }, (_, index) => first + index) : filled;
  return { rows: kept.map((row) => rows[row]!), lines: kept.map((row) => lines[row]!) };
}

function isBlank(row: readonly string[]): boolean {
  return row.length === 1 && row[0] === '';
}

/** @param where file and line of the row that cannot be read */
function quoteError(error: CsvError, where: string): InputError {
  const wayOut = 'write a quote within quotes twice, or set data.quotes: false where quotes are ordinary text';
  const problems: Readonly<Record<string, string>> = {
    CSV_QUOTE_NOT_CLOSED: 'opens a quote that is never closed',
    CSV_INVALID_CLOSING_QUOTE: 'has text after a closing quote',
    INVALID_OPENING_QUOTE: 'has a quote within a field that does not begin with one',
  };
  return new InputError(`${where} ${problems[error.code] ?? `cannot be read (${error.message})`}; ${wayOut}`, {
    cause: error,
  });
}

function delimitedTable(
  records: Records,
  file: string,
  delimiter: string,
  headerless: readonly string[] | null,
): TextTable {
  const { rows: all, lines: allLines } = withoutBlank(records, headerless?.length);
  const columns = headerless ?? all[0] ?? [];
  const [rows, lines] = headerless ? [all, allLines] : [all.slice(1), allLines.slice(1)];
  const wrong = rows.flatMap((row, index) => (row.length === columns.length ? [] : [index]));
  if (wrong.length > 0) {
    const between = { '\t': 'tabs', ',': 'commas' }[delimiter] ?? delimiter;
    const expected = `${columns.length} between ${between} (${columns.join(', ')})`;
    const problem = `has ${rows[wrong[0]!]!.length} columns, expected ${expected}`;
    throw rowsError({ file, lines }, wrong, problem, 'so have');
  }
  return { file, columns, namedBy: 'line 1', rows, lines };
}

function jsonTable(bytes: Buffer, file: string): TextTable {
  const columns = new Map<string, number>();
  const rows: (string | null)[][] = [];
  const lines: number[] = [];
  splitLines(bytes).forEach((line, index) => {
    if (line.trim() === '') return;
    const row: (string | null)[] = [];
    for (const [name, value] of Object.entries(parseObject(line, `${file}: line ${index + 1}`))) {
      const column = columns.get(name) ?? columns.size;
      columns.set(name, column);
      // Lists and sections are no text, and matter only in a column that is asked for.
      row[column] = typeof value === 'object' ? null : String(value);
    }
    rows.push(row);
    lines.push(index + 1);
  });
  return {
    file,
    columns: [...columns.keys()],
    namedBy: 'no object',
    rows: rows.map((row) => Array.from(columns.values(), (column) => row[column] ?? null)),
    lines,
  };
}

/** JSON with its numbers as strings, as they are written: a float64 would make some of them another. */
function quoteNumbers(json: string): string {
  let inString = false;
  return json.replace(/\\.|"|-?\d[\d.eE+-]*/g, (token) => {
    if (token === '"') inString = !inString;
    return inString || token === '"' ? token : `"${token}"`;
  });
}

function parseObject(line: string, where: string): object {
  let value: unknown;
  try {
    // Twice: quoting could make JSON of what is none (01, 1.2.3), so the line is tried as it is before its numbers are
    // kept as text.
    value = JSON.parse(line);
    value = JSON.parse(quoteNumbers(line));
  } catch (cause) {
    const hint =
      line.trim() === '[' || line.trim() === '{'
        ? '; a file of one long value has to be written again, one row per line'
        : '';
    throw new InputError(`${where} is not JSON, expected one object per line${hint}`, { cause });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new InputError(`${where} is ${Array.isArray(value) ? 'a list' : line.trim()}, expected one object per line`);
}

/**
 * The fields of one column.
 *
 * @param key of a recipe that says which column it is
 * @throws InputError if there is none of that name, or two
 */
export function tableColumn(table: TextTable, name: string, key?: string): readonly (string | null)[] {
  const { file, columns, namedBy, rows } = table;
  const column = columns.indexOf(name);
  if (column === -1) {
    const missing = namedBy === 'line 1' ? `line 1 names no column ${name}` : `no object has the key ${name}`;
    if (columns.length === 0) throw new InputError(`${file}: no object has a key, expected ${name} among them`);
    const found = columns.map((each) => (each === each.trim() && each !== '' ? each : JSON.stringify(each))).join(', ');
    const wayOut = key === undefined ? '' : missingColumn(table, key);
    throw new InputError(`${file}: ${missing}, expected it among ${found}${wayOut}`);
  }
  if (columns.includes(name, column + 1))
    throw new InputError(`${file}: line 1 names the column ${name} twice; give one of them another name`);
  return rows.map((row) => row[column]!);
}

/** The way out where a column is missing, with the keys of a recipe. */
function missingColumn({ columns, namedBy }: TextTable, key: string): string {
  const other = columns.length === 1 ? /[;\t|,]/.exec(columns[0]!)?.[0] : undefined;
  if (other !== undefined) return `; if columns lie between ${JSON.stringify(other)}, say so with data.delimiter`;
  const headerless = namedBy === 'line 1' ? ', or name the columns with data.columns if line 1 is a row' : '';
  return `; say which it is with ${key}${headerless}`;
}
