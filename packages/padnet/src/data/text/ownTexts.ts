/**
 * Texts of one's own: CSV, TSV and JSON lines, with columns that a recipe names, split by themselves where nothing else
 * is tested on.
 */
import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { InputError } from '../../errors.js';
import { readProblem } from '../../readRegularFile.js';
import { type DataSplit, stratifiedSplit } from '../dataSplit.js';
import type { TextMetric } from './metrics.js';
import { type OwnTableOptions, readOwnTable, tableEndings } from './ownTables.js';
import {
  formatOfName,
  rowsError,
  type TableFormatName,
  tableColumn,
  tableFormatNames,
  type TextTable,
} from './table.js';
import {
  assertNumbersDiffer,
  labelFields,
  type TextColumns,
  type TextDefinition,
  textsOfTable,
} from './textDefinition.js';
import { selectTexts, type TextDataset } from './textDataset.js';

/** The kind of a label: one of some classes, or a number. */
export const textTargets = ['classes', 'number'] as const;
export type TextTarget = (typeof textTargets)[number];

export interface OwnTextsOptions extends OwnTableOptions {
  /** A file, or a folder of files named as below. */
  readonly path?: string | undefined;
  /** A file; instead of `path`. */
  readonly train?: string | undefined;
  /** A file. @default that of the folder, or else a part of what is trained on */
  readonly test?: string | undefined;
  readonly textColumn: string;
  /** The column of the other text, where rows are pairs. */
  readonly secondColumn?: string | undefined;
  readonly labelColumn: string;
  readonly target: TextTarget;
  /** In the order of the network's outputs. @default the training labels, sorted */
  readonly classes?: readonly string[] | undefined;
  readonly metrics: readonly TextMetric[];
  /** The share that is tested on, of rows that are split here. @default 0.2 */
  readonly testFraction?: number | undefined;
  /** @default 1 */
  readonly splitSeed?: number | undefined;
  /** How a run divided the rows when it began. @default divided by `testFraction` and `splitSeed` */
  readonly split?: DataSplit | undefined;
}

export interface OwnTexts {
  readonly definition: TextDefinition;
  readonly train: TextDataset;
  readonly test: TextDataset;
  /** Null: what is tested on is a file of its own. */
  readonly split: DataSplit | null;
}

/** Names of files in a folder, without their endings; the first that is there counts. */
const trainNames = ['train'];
const testNames = ['dev', 'validation', 'valid', 'val', 'test'];

const keys: Readonly<Record<keyof TextColumns, string>> = {
  first: 'data.textColumn',
  second: 'data.secondColumn',
  label: 'data.labelColumn',
};

/** @throws InputError where files are missing or damaged, or rows are wrong, naming file, lines and column */
export function loadOwnTexts(options: OwnTextsOptions): OwnTexts {
  const files = findFiles(options);
  const { table: trainTable, split: before } = trainingRows(readTexts(files.train, options), files, options);
  const definition = ownDefinition(trainTable, options);
  const texts = (table: TextTable): TextDataset =>
    textsOfTable(table, definition, { name: basename(table.file), isLabelled: true, keys });
  const all = texts(trainTable);
  checkClasses(all, trainTable, definition);
  assertNumbersDiffer(all, trainTable.file, definition);
  if (files.test !== null) {
    const misplaced = (['testFraction', 'splitSeed'] as const).find((key) => options[key] !== undefined);
    if (misplaced !== undefined)
      throw new InputError(`data.${misplaced}: ${files.test} is tested on, so that nothing is split; remove the key`);
    const test = texts(readTexts(files.test, options));
    assertNumbersDiffer(test, files.test, definition);
    return { definition, train: all, test, split: null };
  }
  const names = rowNames(trainTable, options);
  const split = before ?? divided(trainTable, all, names, options);
  const rows = new Map(names.map((name, row) => [name, row]));
  const part = (which: 'train' | 'test'): TextDataset => ({
    ...selectTexts(all, Uint32Array.from(split[which], (name) => rows.get(name)!).sort()),
    name: `${basename(trainTable.file)}, ${which} part`,
  });
  return { definition, train: part('train'), test: part('test'), split };
}

/**
 * The definition of the texts, which gives the number of a network's outputs and their names.
 *
 * @throws InputError as `loadOwnTexts`
 */
export function ownTextDefinition(options: OwnTextsOptions): TextDefinition {
  return ownDefinition(readTexts(findFiles(options).train, options), options);
}

/**
 * Texts whose labels nobody may know: the file `test` of a folder in which another is tested on. Null where there is
 * none.
 */
export function ownSubmission(options: OwnTextsOptions, definition: TextDefinition): TextDataset | null {
  const { submission } = findFiles(options);
  if (submission === null) return null;
  const table = readTexts(submission, options);
  const index = ['index', 'id'].find((name) => table.columns.includes(name));
  return textsOfTable(table, definition, {
    name: basename(submission),
    isLabelled: false,
    keys,
    ...(index !== undefined && { index }),
  });
}

interface OwnFiles {
  readonly train: string;
  /** Null: a part of the rows of `train` is tested on. */
  readonly test: string | null;
  /** Neither trained nor tested on. */
  readonly submission: string | null;
}

function findFiles(options: OwnTextsOptions): OwnFiles {
  const { path, train, test, format } = options;
  const isFolder = path !== undefined && isDirectory(path, 'data.path', 'a file of texts, or a folder of them,');
  const trainFile = isFolder ? trainInFolder(path, format) : (path ?? train);
  if (trainFile === undefined)
    throw new InputError('data.path: missing; expected a file of texts, or a folder with train and dev');
  for (const [key, file] of Object.entries({ 'data.train': train, 'data.test': test })) {
    if (file !== undefined && isDirectory(file, key, 'a file of texts'))
      throw new InputError(`${key}: expected a file of texts at ${file}, but it is a folder; name a file in it`);
  }
  if (test !== undefined && sameFile(trainFile, test))
    throw new InputError(`data.test: ${test} is the file that is trained on; remove the key to have it split`);
  const tested = test ?? (isFolder ? findInFolder(path, testNames, format) : null);
  checkTableKeys([trainFile, ...(tested === null ? [] : [tested])], options);
  const last = isFolder ? findInFolder(path, ['test'], format) : null;
  return {
    train: trainFile,
    test: tested,
    submission: tested !== null && last !== null && !sameFile(tested, last) ? last : null,
  };
}

/** Refuses keys that would be passed over: they are mistakes. */
function checkTableKeys(files: readonly string[], options: OwnTextsOptions): void {
  const { format } = options;
  const named = files.map(formatOfName);
  const [first] = files as [string];
  const unknown = format === undefined ? named.indexOf(null) : -1;
  if (unknown !== -1) {
    throw new InputError(
      `${files[unknown]!}: expected a name that ends in ${tableEndings}; rename it, or say what it is with data.format`,
    );
  }
  if (format !== undefined && named.every((name) => name !== null && name !== format))
    throw new InputError(
      `data.format: ${first} is ${named[0]!} by its name, not ${format}; remove the key, or rename it`,
    );
  const key = (['delimiter', 'quotes', 'columns'] as const).find((each) => options[each] !== undefined);
  if (key !== undefined && named.every((name) => (name ?? format) === 'jsonl'))
    throw new InputError(`data.${key}: is for tables with columns, and ${first} has JSON lines; remove the key`);
}

function readTexts(file: string, options: OwnTextsOptions): TextTable {
  const { textColumn, secondColumn } = options;
  return readOwnTable(file, options, [textColumn, ...(secondColumn === undefined ? [] : [secondColumn])]);
}

/** @throws InputError where there is nothing, or links lead in a circle */
function isDirectory(path: string, key: string, expected: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (cause) {
    throw new InputError(`${key}: expected ${expected} at ${path}, but ${readProblem(path, cause)}`, { cause });
  }
}

function trainInFolder(folder: string, format: TableFormatName | undefined): string {
  const found = findInFolder(folder, trainNames, format);
  if (found !== null) return found;
  const endings = tableFormatNames.map((name) => `train.${name}`).join(', ');
  throw new InputError(`${folder}: expected one of ${endings} (or with .gz), found none; or set data.path to a file`);
}

/** @throws InputError where two files have the same name but for their endings */
function findInFolder(folder: string, names: readonly string[], format: TableFormatName | undefined): string | null {
  const formats = format === undefined ? tableFormatNames : [format];
  for (const name of names) {
    const files = formats
      .flatMap((ending) => [`${name}.${ending}`, `${name}.${ending}.gz`])
      .map((file) => join(folder, file))
      .filter((file) => existsSync(file));
    if (files.length > 1)
      throw new InputError(
        `${folder}: ${files.map((file) => basename(file)).join(' and ')} are there, expected only one of them`,
      );
    if (files[0] !== undefined) return files[0];
  }
  return null;
}

function sameFile(a: string, b: string): boolean {
  try {
    const [first, second] = [statSync(a), statSync(b)];
    return first.dev === second.dev && first.ino === second.ino;
  } catch {
    return false; // what is wrong is said where the file is read
  }
}

/** More labels than so many, and than this share of the rows, are rather numbers, or texts. */
const FEW_CLASSES = 10;
const MOST_CLASSES = 0.5;

function ownDefinition(table: TextTable, options: OwnTextsOptions): TextDefinition {
  const { textColumn, secondColumn, labelColumn, target, metrics } = options;
  const columns = { first: textColumn, second: secondColumn ?? null, label: labelColumn };
  if (target === 'number') return { columns, labels: null, classNames: null, range: null, metrics };
  const classes = options.classes ?? foundClasses(table, labelColumn);
  if (classes.length !== 2 && metrics.includes('f1')) {
    throw new InputError(
      `data.metric: f1 is for two classes, ${table.file} has ${classes.length}; choose macroF1, accuracy or matthews`,
    );
  }
  return { columns, labels: classes, classNames: classes, range: null, metrics };
}

/** Numbers by size, others as text. */
function foundClasses(table: TextTable, column: string): string[] {
  const fields = labelFields(table, column, keys.label);
  const empty = [...fields.keys()].filter((row) => fields[row] === '');
  const found = [...new Set(fields)].filter((label) => label !== '');
  const rows = `${table.rows.length} rows of ${table.file}`;
  if (found.length < 2 && empty.length > 0) throw rowsError(table, empty, `has no label in ${column}`, 'so have');
  if (found.length < 2)
    throw new InputError(`${table.file}: ${column} is "${found[0]!}" in every row, expected two classes or more`);
  if (found.length > Math.max(FEW_CLASSES, MOST_CLASSES * table.rows.length)) {
    throw new InputError(
      `data.labelColumn: ${column} has ${found.length} different labels in the ${rows}; ` +
        'where they are numbers to predict set data.target: number, where they are classes list them in data.classes',
    );
  }
  const areNumbers = found.every((label) => Number.isFinite(Number(label)));
  return found.sort((a, b) => (areNumbers ? Number(a) - Number(b) : a < b ? -1 : 1));
}

/** Every class has a row to learn from. */
function checkClasses({ labels }: TextDataset, { file }: TextTable, { classNames }: TextDefinition): void {
  const found = new Set(labels);
  const missing = (classNames ?? []).filter((_, index) => !found.has(index));
  if (missing.length === 0) return;
  throw new InputError(
    `${file}: no row is of ${missing.slice(0, 5).join(', ')}${missing.length > 5 ? ', …' : ''}, ` +
      'which data.classes lists; remove it',
  );
}

/**
 * The rows that a run began with, where it divided them, and how it did, by their lines of now: what came to the file
 * since is none of its business. Of equal rows the first is still the first.
 *
 * @throws InputError where one is not there any more, or the recipe divides otherwise
 */
function trainingRows(
  table: TextTable,
  { test }: OwnFiles,
  options: OwnTextsOptions,
): { readonly table: TextTable; readonly split: DataSplit | null } {
  const { split } = options;
  if (!split || test !== null) return { table, split: null };
  const { testFraction = split.testFraction, splitSeed = split.seed } = options;
  for (const [key, now, before] of [
    ['testFraction', testFraction, split.testFraction],
    ['splitSeed', splitSeed, split.seed],
  ] as const) {
    if (now === before) continue;
    throw new InputError(
      `data.${key}: the run divided ${table.file} by ${before} when it began, as its split.json says, not by ${now}; ` +
        'leave the key as it was',
    );
  }
  const names = rowNames(table, options);
  const rowsOf = new Map<string, number[]>();
  for (const row of [...names.keys()].reverse()) {
    const hash = hashOf(names[row]!);
    const rows = rowsOf.get(hash);
    if (rows) rows.push(row);
    else rowsOf.set(hash, [row]);
  }
  const chosen = [...split.train, ...split.test].sort((a, b) => lineOf(a) - lineOf(b));
  const rowOf = new Map(chosen.map((name) => [name, rowsOf.get(hashOf(name))?.pop()]));
  const missing = chosen.filter((name) => rowOf.get(name) === undefined);
  if (missing.length > 0) {
    const lines = missing.slice(0, 5).map(lineOf);
    throw new InputError(
      `${table.file}: ${missing.length === 1 ? 'a row' : `${missing.length} rows`} of the run's split.json cannot be ` +
        `found, then in line ${lines.join(', ')}${missing.length > 5 ? ', …' : ''}; ` +
        'put the file back as it was, or evaluate another one with `padnet eval <run> --data <file>`',
    );
  }
  const rows = [...rowOf.values()].map((row) => row!).sort((a, b) => a - b);
  const renamed = (part: readonly string[]): string[] => part.map((name) => names[rowOf.get(name)!]!);
  return {
    table: { ...table, rows: rows.map((row) => table.rows[row]!), lines: rows.map((row) => table.lines[row]!) },
    split: { ...split, train: renamed(split.train), test: renamed(split.test) },
  };
}

/** Names of rows in a split: the line, and the beginning of a hash of texts and label. */
function rowNames(table: TextTable, { textColumn, secondColumn, labelColumn }: OwnTextsOptions): string[] {
  const fields = [
    tableColumn(table, textColumn, keys.first),
    ...(secondColumn === undefined ? [] : [tableColumn(table, secondColumn, keys.second)]),
    labelFields(table, labelColumn, keys.label),
  ];
  return table.lines.map((line, row) => {
    const content = fields.map((column) => column[row] ?? '').join('\0');
    return `${line}:${createHash('sha256').update(content).digest('hex').slice(0, 8)}`;
  });
}

function lineOf(name: string): number {
  return Number(name.split(':')[0]);
}

function hashOf(name: string): string {
  return name.split(':')[1]!;
}

function divided(
  { file }: TextTable,
  { labels, classNames }: TextDataset,
  names: readonly string[],
  { testFraction = 0.2, splitSeed = 1 }: OwnTextsOptions,
): DataSplit {
  const ofClass = (label: number): string[] => names.filter((_, row) => labels![row] === label);
  const groups = classNames ? classNames.map((_, label) => ofClass(label)) : [names];
  const small = groups.findIndex((group) => group.length < 2);
  if (small !== -1) {
    const what = classNames ? `one row of ${classNames[small]!}` : 'one row';
    throw new InputError(
      `${file}: there is only ${what}, expected two or more, to train on and to test on; ` +
        'add rows, or give a file in data.test',
    );
  }
  return stratifiedSplit(groups, { testFraction, seed: splitSeed });
}
