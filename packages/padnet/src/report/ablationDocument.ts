import type { FileKind } from '../outputFile.js';
import type { AblationResults, AblationTable } from '../experiments/ablationTable.js';
import type { AblationText } from './ablationText.js';

/** An ablation for machines: what `ablation.json` is. */
export interface AblationDocument extends AblationTable {
  readonly command: string;
  /** ISO 8601 */
  readonly date: string;
  readonly seeds: readonly number[];
  readonly notes: readonly string[];
  /** Every finished run with its metrics, recipe, commit and machine. */
  readonly runs: AblationResults['runs'];
  readonly failed: AblationResults['failed'];
}

export const ablationDocumentFile: FileKind = {
  name: 'ablation of padnet',
  isOne: (beginning) => /^\{\s*"command": "padnet .*",\s*"date": ".*",\s*"seeds": /.test(beginning),
};

/** What made it. */
export interface AblationOrigin {
  readonly command: string;
  readonly date: Date;
}

export function ablationDocument(
  { plan, runs, failed }: AblationResults,
  table: AblationTable,
  { lead, base, sweeps, notes }: AblationText,
  { command, date }: AblationOrigin,
): AblationDocument {
  const said = [lead, base.finding, ...sweeps.map(({ title, finding }) => finding && `${title}: ${finding}`), ...notes];
  return {
    command,
    date: date.toISOString(),
    seeds: plan.seeds,
    ...table,
    notes: said.filter((each) => each !== null),
    runs,
    failed,
  };
}
