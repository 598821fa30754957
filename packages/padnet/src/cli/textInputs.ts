/** What `predict` and `eval` are asked about: sentences of the command line, and files of texts, by column or by line. */
import { InputError } from '../errors.js';
import type { OwnTableOptions, TextDataset, TextDefinition, TextTable } from '../data/index.js';
import type { Text } from '../report/index.js';
import type { TextModel } from '../training/index.js';
import { readSentences } from './sentences.js';
import { UsageError } from './usageError.js';

/** What a network was trained for. @throws InputError where that is nothing yet */
export function definitionOf(run: string, { description }: TextModel): TextDefinition {
  if (description.definition) return description.definition;
  throw new InputError(
    `${run} was converted from a pretrained encoder and not trained for a task yet, so it has no answers`,
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
 * The texts of a file: of a table (CSV, JSON lines, or TSV whose first line names the columns) those of the columns that the network
 * was trained on; else a sentence a line, or two with a tab between.
 *
 * @param file `-` for standard input, whose lines are sentences
 */
export async function textsOfFile(run: string, model: TextModel, file: string): Promise<Text[]> {
  const definition = definitionOf(run, model);
  const table = file === '-' ? null : await tableOf(run, file, definition);
  if (!table) return await readSentences(file, definition.columns.second !== null);
  const { textsOfTable } = await import('../data/index.js');
  return textsIn(textsOfTable(table, definition, { name: file, isLabelled: false }));
}

export function textsIn({ first, second }: TextDataset): Text[] {
  return first.map((text, row) => ({ first: text, second: second?.[row] ?? null }));
}

/** null where the file is no table with these columns, but lines. */
async function tableOf(run: string, file: string, definition: TextDefinition): Promise<TextTable | null> {
  const { formatOfName, ownFormat, parseTable, readTextFile } = await import('../data/index.js');
  const options = await tableOptions(run);
  if (formatOfName(file) === null && options.format === undefined) return null;
  const format = ownFormat(file, options);
  const bytes = readTextFile(file, 'texts');
  if (format.kind === 'delimited' && !format.quotes) {
    const end = bytes.indexOf('\n');
    const fields = bytes
      .toString('utf8', 0, end === -1 ? bytes.length : end)
      .replace(/\r$/, '')
      .split(format.delimiter);
    const { first, second } = definition.columns;
    const isTable = options.columns
      ? fields.length === options.columns.length
      : [first, second].every((name) => name === null || fields.includes(name));
    if (!isTable) return null;
  }
  return parseTable(bytes, file, format, options.columns ?? null);
}

/** How the run's own files are written: what is said of another file is the same. */
export async function tableOptions(run: string): Promise<OwnTableOptions> {
  const { hasModel, readRun } = await import('../training/index.js');
  const recipe = hasModel(run) ? null : readRun(run).recipe;
  if (recipe?.modality !== 'text' || recipe.data.name !== 'text') return {};
  const { format, delimiter, quotes, columns } = recipe.data;
  return { format, delimiter, quotes, columns };
}
