/** The comparison as text: aligned columns for a terminal, or Markdown. */
import { compareRuns, type Column } from './comparison.js';
import { unknown } from './format.js';
import { alignGrid, type Grid } from './grid.js';
import { modelLayerName } from '../analysis/layerNames.js';
import type { RunSummary } from '../analysis/runSummary.js';

/** The text of a value, whether it is the best of its line or not. */
type MarkBest = (text: string, best: boolean) => string;

/** The table and its notes; a `*` marks the best value of a line. */
export function textTable(runs: readonly RunSummary[]): string {
  const { columns, notes } = compareRuns(runs);
  const legend = columns.some(({ cells }) => cells.some(({ best }) => best)) ? ['* best'] : [];
  return [
    alignGrid(comparisonGrid(runs, columns, (text, best) => (best ? `${text} *` : `${text}  `))),
    '',
    ...legend,
    ...notes,
  ].join('\n');
}

/** The table and its notes; the best value of a line is bold. */
export function markdownTable(runs: readonly RunSummary[]): string {
  const { columns, notes } = compareRuns(runs);
  const { heading, rows, leftColumns } = comparisonGrid(runs, columns, (text, best) => (best ? `**${text}**` : text));
  const escape = (cell: string): string => cell.replace(/[|\\]/g, '\\$&').replaceAll('\n', ' ').trim();
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = heading.map((_, index) => (index < leftColumns ? ':--' : '--:'));
  const lines = [heading.map(escape), rule, ...rows.map((row) => row.map(escape))].map(line);
  return [...lines, '', ...notes.map((note) => `- ${note}`)].join('\n');
}

/** A column for each run, a line for each value and each comparison. */
function comparisonGrid(runs: readonly RunSummary[], columns: readonly Column[], markBest: MarkBest): Grid {
  const rows = [['', ...runs.map(({ model }) => markBest(modelLayerName(model), false))]];
  for (const { title, relative, cells } of columns) {
    rows.push([title, ...cells.map(({ text, best }) => markBest(text, best))]);
    for (const [key, kind] of [
      ['toStatic', 'static'],
      ['toDynamic', 'dynamic'],
    ] as const) {
      if (cells.every((cell) => cell[key] === null)) continue;
      const label = relative === 'points' ? `points to ${kind}` : `times ${kind}`;
      rows.push([`  ${label}`, ...cells.map((cell) => markBest(cell[key] ?? unknown, false))]);
    }
  }
  return { heading: ['run', ...runs.map(({ name }) => markBest(name, false))], rows, leftColumns: 1 };
}
