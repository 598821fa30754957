import type { FileKind } from '../outputFile.js';
import type { GlueResults, GlueTable } from '../experiments/glueTable.js';
import type { GlueText } from './glueText.js';

/** GLUE's table for machines: what `glue.json` is. */
export interface GlueDocument {
  readonly command: string;
  /** ISO 8601 */
  readonly date: string;
  readonly matrix: GlueResults['matrix'];
  readonly majority: GlueResults['majority'];
  readonly rows: GlueTable['rows'];
  readonly differences: GlueTable['differences'];
  readonly notes: readonly string[];
  /** Every finished run with its metrics, recipe, commit and machine. */
  readonly runs: GlueResults['runs'];
  readonly failed: GlueResults['failed'];
}

export const glueDocumentFile: FileKind = {
  name: "GLUE's table of padnet",
  isOne: (beginning) => /^\{\s*"command": "padnet .*",\s*"date": ".*",\s*"matrix": /.test(beginning),
};

/** What made a table. */
export interface GlueOrigin {
  readonly command: string;
  readonly date: Date;
}

export function glueDocument(
  results: GlueResults,
  table: GlueTable,
  { findings, notes }: GlueText,
  { command, date }: GlueOrigin,
): GlueDocument {
  const { matrix, majority, runs, failed } = results;
  const { rows, differences } = table;
  const said = [...findings, ...notes];
  return { command, date: date.toISOString(), matrix, majority, rows, differences, notes: said, runs, failed };
}
