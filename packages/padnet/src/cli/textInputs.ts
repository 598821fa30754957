/** The inputs of `predict` and `eval`: sentences of the command line, and files of texts, by column or by line. */
import { extname } from 'node:path';
import { decodeText } from '../data/text/textFile.js';
import { InputError } from '../errors.js';
import { maxTextBytes, readStandardInput } from '../readRegularFile.js';
import { splitLines } from '../text.js';
import type { Text } from '../analysis/index.js';
import {
  formatOfName,
  type OwnTableOptions,
  parseOwnTable,
  readTextFile,
  tableEndings,
  type TextDataset,
  type TextDefinition,
  textsOfTable,
  type TextTable,
} from '../data/index.js';
import { networkPlace, readRun, type TextModel } from '../runs/index.js';
import { UsageError } from './usage.js';

/** The task that a network was trained for. @throws InputError where it was trained for none yet */
export function definitionOf(run: string, { description }: TextModel): TextDefinition {
  if (description.definition) return description.definition;
  throw new InputError(
    `${run} does not say what its answers are and which columns its texts are in, as networks that padnet ` +
      `trained do; a recipe with model.pretrained: ${run} trains it, \`padnet eval ${run} --recipe <file>\` ` +
      "evaluates it on a recipe's data",
  );
}

/** A sentence or a pair, as the network has them. */
export function textAsked(run: string, model: TextModel, sentences: readonly string[]): Text {
  const { columns } = definitionOf(run, model);
  const [first, second, ...others] = sentences;
  if (others.length > 0) throw new UsageError('expected one sentence or two: put each in quotes');
  const isPair = columns.second !== null;
  if (isPair !== (second !== undefined)) {
    const what = model.description.task ?? run;
    throw new UsageError(
      isPair ? `${what} is about pairs: give two sentences` : `${what} is about one sentence, not two`,
    );
  }
  if (first?.trim() === '' || second?.trim() === '') throw new InputError('the sentence is empty: give some words');
  return { first: first!, second: second ?? null };
}

/**
 * The texts of a file: of a table (CSV, JSON lines, or TSV whose first line names the columns) those of the columns
 * that the network was trained on; else a sentence a line, or two with a tab between.
 *
 * @param file `-` for standard input, whose lines are sentences
 * @throws InputError where its name says that it is neither
 */
export async function textsOfFile(run: string, model: TextModel, file: string): Promise<Text[]> {
  const definition = definitionOf(run, model);
  const table = file === '-' ? null : tableOf(file, model, run, definition);
  if (!table) return await readSentences(file, definition.columns.second !== null);
  return textsIn(textsOfTable(table, definition, { name: file, isLabelled: false }));
}

export function textsIn({ first, second }: TextDataset): Text[] {
  return first.map((text, row) => ({ first: text, second: second?.[row] ?? null }));
}

/** The names of those that have the texts. */
export function textColumns({ columns: { first, second } }: TextDefinition): string[] {
  return second === null ? [first] : [first, second];
}

/** null where the file is no table, but lines. */
function tableOf(file: string, { description }: TextModel, run: string, definition: TextDefinition): TextTable | null {
  const options = tableOptions(run, description) ?? {};
  const named = formatOfName(file);
  const name = named ?? options.format;
  if (name !== undefined) {
    const bytes = readTextFile(file, 'texts');
    const { isNamed, table } = parseOwnTable(bytes, file, name, options, textColumns(definition));
    if (isNamed || named === 'csv' || named === 'jsonl') return table();
  }
  const ending = extname(file.replace(/\.gz$/i, ''));
  if (named !== null || ['', '.txt'].includes(ending.toLowerCase())) return null;
  throw new InputError(
    `${file}: expected a name that ends in ${tableEndings}, or in .txt where it has a text a line, not in ${ending}; ` +
      'write the texts to such a file, or rename it',
  );
}

/** How the files of one's own that it was trained on are written. */
export function tableOptions(run: string, { table }: TextModel['description']): OwnTableOptions | undefined {
  if (table || networkPlace(run) !== 'run') return table;
  const { data } = readRun(run).recipe;
  if (data.name !== 'text') return undefined;
  const { format, delimiter, quotes, columns } = data;
  return { format, delimiter, quotes, columns };
}

/**
 * The lines of a text in UTF-8, gzipped or not.
 *
 * @param file a path, or `-` for standard input
 * @param expected what they are, for messages
 * @throws InputError where it cannot be read, is of another encoding or no text
 */
export async function readLines(file: string, expected: string): Promise<string[]> {
  if (file !== '-') return splitLines(readTextFile(file, expected));
  return splitLines(decodeText(await readStandardInput({ expected, maxBytes: maxTextBytes }), 'standard input'));
}

/**
 * @param file a path, or `-` for standard input
 * @param isPair whether each line has two sentences
 * @throws InputError naming file and line
 */
export async function readSentences(file: string, isPair: boolean): Promise<Text[]> {
  const name = file === '-' ? 'standard input' : file;
  const lines = await readLines(file, isPair ? 'pairs of sentences' : 'sentences');
  if (lines.length === 0) throw new InputError(`${name}: expected at least one sentence, found none`);
  return lines.map((line, index) => {
    const problem = (text: string): InputError => new InputError(`${name}: line ${index + 1} ${text}`);
    if (line.trim() === '') throw problem('is empty; fill it or remove it');
    const sentences = line.split('\t');
    const expected = isPair ? 2 : 1;
    if (sentences.length !== expected) {
      const what = isPair ? 'two sentences with a tab between' : 'one sentence without a tab';
      throw problem(`has ${sentences.length} columns, expected ${expected}: ${what}`);
    }
    const [first = '', second = null] = sentences;
    if (first.trim() === '' || second?.trim() === '')
      throw problem('has an empty sentence; fill it or remove the line');
    return { first, second };
  });
}
