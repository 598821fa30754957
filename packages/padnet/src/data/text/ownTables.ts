/** Tables of one's own: how a file is written says its name, then its heading, then a recipe. */
import { InputError } from '../../errors.js';
import { isFolder } from '../../readRegularFile.js';
import {
  formatOfName,
  parseTable,
  rowsError,
  type TableFormat,
  type TableFormatName,
  tableFormatNames,
  tableFormats,
  type TextTable,
} from './table.js';
import { readTextFile } from './textFile.js';

/** How files of one's own write a table, where they do not say it themselves. */
export interface OwnTableOptions {
  /** The format of files whose names do not tell it. */
  readonly format?: TableFormatName | undefined;
  /** One character. @default as the format has it, or the heading */
  readonly delimiter?: string | undefined;
  /** Whether fields may be in quotes. @default true of CSV */
  readonly quotes?: boolean | undefined;
  /** Names of the columns of files without a header line. */
  readonly columns?: readonly string[] | undefined;
}

export const tableEndings = `${tableFormatNames.map((each) => `.${each}`).join(', ')} (or with .gz)`;

/**
 * @param names of the columns of texts
 * @throws InputError if the file cannot be read, its format is not known, or it has a heading where `columns` are given
 */
export function readOwnTable(file: string, options: OwnTableOptions, names: readonly string[]): TextTable {
  if (isFolder(file)) throw new InputError(`${file}: expected a file of texts, but it is a folder; name a file in it`);
  const name = formatOfName(file) ?? options.format;
  if (name === undefined) throw new InputError(`${file}: expected a name that ends in ${tableEndings}; rename it`);
  return parseOwnTable(readTextFile(file, 'a table of texts'), file, name, options, names).table();
}

/** The kind of file that the bytes are, and their table. */
export function parseOwnTable(
  bytes: Buffer,
  file: string,
  name: TableFormatName,
  options: OwnTableOptions,
  names: readonly string[],
): { readonly isNamed: boolean; readonly table: () => TextTable } {
  const known: TableFormat = tableFormats[name];
  const beginning = /[^\r\n]+/.exec(bytes.toString('utf8', 0, 2 ** 16))?.[0] ?? '';
  if (known.kind === 'jsonLines')
    return { isNamed: beginning.trimStart().startsWith('{'), table: () => parseTable(bytes, file, known) };
  const { columns, quotes = known.quotes } = options;
  const usual = formatOfName(file) === 'tsv' ? known.delimiter : (options.delimiter ?? known.delimiter);
  const fields = (delimiter: string): string[] =>
    beginning.split(delimiter).map((field) => (quotes ? field.replace(/^"(.*)"$/, '$1') : field));
  // Which columns there should be is known, so that a heading shows what is between them.
  const found = [usual, options.delimiter ?? usual, ',', ';', '\t', '|'].find((delimiter) =>
    names.every((each) => fields(delimiter).includes(each)),
  );
  const format = { ...known, quotes, delimiter: (columns ? undefined : found) ?? usual };
  return {
    isNamed: columns ? fields(usual).length === columns.length : found !== undefined,
    table: () => withoutHeading(parseTable(bytes, file, format, columns ?? null), columns),
  };
}

function withoutHeading(table: TextTable, columns: readonly string[] | undefined): TextTable {
  const headings = [...table.rows.keys()].filter(
    (row) => columns && table.rows[row]!.every((field) => columns.includes(field!)),
  );
  if (headings.length === 0) return table;
  throw rowsError(table, headings, 'names the columns, as data.columns does for files without such a line', 'so do');
}
