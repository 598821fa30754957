/**
 * The meaning of the rows of a table of texts: each of GLUE's tasks is such a definition, and so is what a recipe says
 * of files of one's own.
 */
import { InputError } from '../../errors.js';
import { printable } from '../../printable.js';
import type { TextMetric } from './metrics.js';
import { rowsError, tableColumn, type TextTable } from './table.js';
import type { TextDataset } from './textDataset.js';

export interface TextColumns {
  readonly first: string;
  /** Null: single texts. */
  readonly second: string | null;
  readonly label: string;
}

export interface TextDefinition {
  readonly columns: TextColumns;
  /** The label that files write for each class, by class index; null: a number is predicted. */
  readonly labels: readonly string[] | null;
  /** The name of each class, by class index; null: a number is predicted. */
  readonly classNames: readonly string[] | null;
  /** The range that numbers have to lie in; null: any. */
  readonly range: readonly [lowest: number, highest: number] | null;
  /** The score is their mean. */
  readonly metrics: readonly TextMetric[];
}

/** Outputs of a network: one for each class, or one number. */
export function numOutputs({ classNames }: Pick<TextDefinition, 'classNames'>): number {
  return classNames?.length ?? 1;
}

export interface TextsOfTableOptions {
  /** The name of the data set in messages. */
  readonly name: string;
  /** Whether each row has a label. */
  readonly isLabelled: boolean;
  /** Column that names the rows. @default none */
  readonly index?: string;
  /** Keys of a recipe that say which column is which. @default none */
  readonly keys?: Readonly<Record<keyof TextColumns, string>>;
  /** Whether a row without a text stays. @default false */
  readonly allowsEmpty?: boolean;
}

/**
 * @throws InputError if a column is missing, or a row has no text or a label that is none, naming file, lines and
 *   column
 */
export function textsOfTable(table: TextTable, definition: TextDefinition, options: TextsOfTableOptions): TextDataset {
  const { name, isLabelled, index, keys, allowsEmpty = false } = options;
  const { columns, classNames } = definition;
  const texts = (which: 'first' | 'second', column: string): string[] => {
    const fields = tableColumn(table, column, keys?.[which]);
    return fields.map((text, row) => {
      if (text === null || (!allowsEmpty && text.trim() === '')) throw noText(table, column, fields);
      if (loneSurrogate.test(text)) throw rowsError(table, [row], `holds half a character in ${column}`, '');
      return text;
    });
  };
  return {
    name,
    length: table.rows.length,
    first: texts('first', columns.first),
    second: columns.second === null ? null : texts('second', columns.second),
    labels: isLabelled ? labelsOf(table, definition, keys?.label) : null,
    classNames,
    ...(index !== undefined && { indices: texts('first', index) }),
  };
}

const loneSurrogate = /\p{Surrogate}/u;

function noText(table: TextTable, column: string, fields: readonly (string | null)[]): InputError {
  const rows = [...fields.keys()].filter((row) => (fields[row] ?? '').trim() === '');
  return rowsError(table, rows, `has no text in ${column}`, 'so have');
}

/** White space around a label of one's own is no part of it. */
export function labelFields(table: TextTable, column: string, key?: string): string[] {
  return tableColumn(table, column, key).map((field) => (field ?? '').trim());
}

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function labelsOf(table: TextTable, definition: TextDefinition, key: string | undefined): Float32Array<ArrayBuffer> {
  const { columns, labels, range } = definition;
  const fields = tableColumn(table, columns.label, key);
  const indices = labels && new Map(labels.map((label, position) => [label, position]));
  const values = Float32Array.from(fields, (field) => {
    const text = field?.trim() ?? '';
    if (indices) return indices.get(text) ?? NaN;
    const value = decimal.test(text) ? Number(text) : NaN;
    return Number.isFinite(Math.fround(value)) && (!range || (value >= range[0] && value <= range[1])) ? value : NaN;
  });
  const wrong = [...values.keys()].filter((row) => Number.isNaN(values[row]!));
  if (wrong.length === 0) return values;
  const [first] = wrong as [number];
  const others = wrong.slice(1, 6).map((row) => table.lines[row]!);
  const text = fields[first]?.trim() ?? '';
  const number = text === '' ? NaN : Number(text);
  const rule = labels?.some((label) => Number(label) === number)
    ? 'labels are compared as text, so data.classes needs them in quotes; '
    : '';
  const more =
    others.length === 0
      ? ''
      : `; the same in lines ${others.join(', ')}${wrong.length > 6 ? ', …' : ''}, ${wrong.length} in all`;
  throw new InputError(
    `${table.file}: line ${table.lines[first]!}: ${columns.label} is ${shown(fields[first]!)}, ` +
      `expected ${expectedLabel(definition)}; ${rule}correct the line${more}`,
  );
}

/**
 * Nothing can be learnt from equal numbers, and with them nothing correlates.
 *
 * @throws InputError where all labels are one
 */
export function assertNumbersDiffer(
  { labels }: TextDataset,
  file: string,
  { columns, classNames }: TextDefinition,
): void {
  if (classNames || labels!.some((label) => label !== labels![0])) return;
  throw new InputError(`${file}: ${columns.label} is ${labels![0]!} in every row, expected different numbers`);
}

function shown(field: string | null): string {
  if (field === null) return 'missing, or not a text';
  return `"${printable(field.length > 60 ? `${field.slice(0, 59)}…` : field)}"`;
}

/** How many labels a message lists. */
const LISTED_LABELS = 10;

function expectedLabel({ labels, range }: TextDefinition): string {
  if (!labels) return range ? `a score from ${range[0]} to ${range[1]}` : 'a number';
  const listed = labels.slice(0, LISTED_LABELS).map(printable);
  return labels.length > LISTED_LABELS ? `one of ${listed.join(', ')}, …` : listed.join(' or ');
}
