/** GLUE's table for a terminal, as JSON, Markdown and a page. */
import { type GlueResults, type GlueRun, glueTable, type GlueTable } from '../../experiments/index.js';
import { gluePage, type GlueTaskRuns } from '../pages/gluePage.js';
import { escapeMarkdown, markdownTable, textTable } from '../table.js';
import { glueText, type GlueText } from './glueText.js';
import {
  documentFile,
  matrixDocument,
  type MatrixDocument,
  type MatrixFile,
  type MatrixOrigin,
  type MatrixReport,
  pageFile,
} from './matrixReport.js';

/** GLUE's table for machines: what `glue.json` is. */
export type GlueDocument = MatrixDocument<
  Pick<GlueResults, 'matrix' | 'majority'> & Pick<GlueTable, 'rows' | 'differences'>,
  GlueResults
>;

const title = 'GLUE table of padnet';
const numbersFile = documentFile('glue.json', { title, first: 'matrix' });
const gluePageFile = pageFile('report.html');
const markdownFile: MatrixFile = {
  label: 'table',
  name: 'glue.md',
  kind: { name: title, isOne: (text) => /^\| (Network)? \| /.test(text) && text.includes('\nMade by `padnet ') },
};
export const glueFiles = [numbersFile, markdownFile, gluePageFile];

/** @param details for the page */
export function glueReport(
  results: GlueResults,
  details: readonly GlueTaskRuns[],
  origin: MatrixOrigin,
): MatrixReport<GlueDocument> {
  const table = glueTable(results);
  const text = glueText(results, table);
  const { matrix, majority } = results;
  const { rows, differences } = table;
  const said = [...text.findings, ...text.notes];
  const document = matrixDocument(origin, { matrix, majority, rows, differences }, said, results);
  return {
    document,
    text: [textTable(text.scores), '', textTable(text.costs), '', ...said].join('\n'),
    files: [
      { ...numbersFile, content: `${JSON.stringify(document, null, 2)}\n` },
      { ...markdownFile, content: markdown(text, results.runs, origin) },
      { ...gluePageFile, content: gluePage(results, text, details, origin) },
    ],
  };
}

function markdown(
  { whole, findings, notes }: GlueText,
  runs: readonly GlueRun[],
  { command, date }: MatrixOrigin,
): string {
  const said = [...findings, ...notes].map((sentence) => `- ${escapeMarkdown(sentence)}`);
  const made = `Made by \`${command}\`, ${date.toISOString().slice(0, 10)}. Runs: ${originText(runs)}.`;
  return [markdownTable(whole), '', ...said, '', made, ''].join('\n');
}

/** Where runs were made: commits, machines, days. */
function originText(runs: readonly GlueRun[]): string {
  const distinct = (value: (environment: NonNullable<GlueRun['environment']>) => string | null): string =>
    [...new Set(runs.flatMap(({ environment }) => (environment && value(environment)) ?? []))].sort().join(', ') ||
    'unknown';
  const machines = distinct(
    ({ cpu, cores, threads }) => `${cpu}, ${cores} cores, ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
  );
  const days = distinct(({ date }) => date.slice(0, 10));
  return `commit ${distinct(({ commit }) => commit)}; ${machines}; ${days}`;
}
