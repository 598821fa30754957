/** An ablation for a terminal, as JSON and a page. */
import { type AblationResults, ablationTable, type AblationTable } from '../../experiments/index.js';
import { ablationPage } from '../pages/ablationPage.js';
import { textTable } from '../table.js';
import { ablationText, type AblationTextTable } from './ablationText.js';
import {
  documentFile,
  matrixDocument,
  type MatrixDocument,
  type MatrixOrigin,
  type MatrixReport,
  pageFile,
} from './matrixReport.js';

/** An ablation for machines: what `ablation.json` is. */
export type AblationDocument = MatrixDocument<AblationTable & Pick<AblationResults['plan'], 'seeds'>, AblationResults>;

const numbersFile = documentFile('ablation.json', { title: 'table of an ablation', first: 'seeds' });
const ablationPageFile = pageFile('ablation.html');
export const ablationFiles = [numbersFile, ablationPageFile];

/** @param file of the ablation */
export function ablationReport(
  file: string,
  results: AblationResults,
  origin: MatrixOrigin,
): MatrixReport<AblationDocument> {
  const table = ablationTable(results);
  const text = ablationText(results, table);
  const { lead, base, arms, sweeps, tuning, power, notes } = text;
  const compared = [...(arms ? [arms] : []), ...sweeps];
  const found = compared.flatMap(({ title, finding }) => (finding === null ? [] : `${title}: ${finding}`));
  const said = [lead, base.finding, ...found, ...power, ...notes].filter((each) => each !== null);
  const document = matrixDocument(origin, { seeds: results.plan.seeds, ...table }, said, results);
  const withTitle = (of: AblationTextTable): string[] => [of.title, textTable(of), of.finding ?? [], ''].flat();
  return {
    document,
    text: [
      ...[base, ...compared].flatMap(withTitle),
      ...(tuning ? [tuning.title, textTable(tuning), ''] : []),
      ...(lead === null ? [] : [lead]),
      ...power,
      ...notes,
    ].join('\n'),
    files: [
      { ...numbersFile, content: `${JSON.stringify(document, null, 2)}\n` },
      { ...ablationPageFile, content: ablationPage(file, results, table, text, origin) },
    ],
  };
}
