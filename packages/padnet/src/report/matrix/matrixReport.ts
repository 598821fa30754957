/** A matrix of runs as its commands write it: for a terminal, and in files. */
import type { MatrixResults } from '../../experiments/index.js';
import type { FileKind } from '../../outputFile.js';
import { reportFile } from '../pages/reportPage.js';

/** The origin of a table. */
export interface MatrixOrigin {
  readonly command: string;
  readonly date: Date;
}

/** A matrix for machines: numbers of its own, and what every matrix has. */
export type MatrixDocument<Numbers, Of extends MatrixResults<unknown>> = Numbers & {
  readonly command: string;
  /** ISO 8601 */
  readonly date: string;
  readonly notes: readonly string[];
  /** Every finished run with its metrics, recipe, commit and machine. */
  readonly runs: Of['runs'];
  readonly failed: Of['failed'];
};

/** A file that a matrix is written to. */
export interface MatrixFile {
  readonly name: string;
  readonly kind: FileKind;
  /** Its name on the terminal: `page`. */
  readonly label: string;
}

/** A matrix as it is shown. */
export interface MatrixReport<Document> {
  readonly document: Document;
  /** The text of a terminal. */
  readonly text: string;
  readonly files: readonly (MatrixFile & { readonly content: string })[];
}

/** @param first the first key of the document's own numbers, by which such a file is known */
export function documentFile(
  name: string,
  { title, first }: { readonly title: string; readonly first: string },
): MatrixFile {
  const beginning = new RegExp(`^\\{\\s*"command": "padnet .*",\\s*"date": ".*",\\s*"${first}": `);
  return { label: 'numbers', name, kind: { name: title, isOne: (text) => beginning.test(text) } };
}

export function pageFile(name: string): MatrixFile {
  return { label: 'page', name, kind: reportFile };
}

export function matrixDocument<Numbers extends object, Of extends MatrixResults<unknown>>(
  { command, date }: MatrixOrigin,
  numbers: Numbers,
  notes: readonly string[],
  { runs, failed }: Of,
): MatrixDocument<Numbers, Of> {
  return { command, date: date.toISOString(), ...numbers, notes, runs, failed };
}
