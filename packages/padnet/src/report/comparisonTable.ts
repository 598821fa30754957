/** The comparison of runs as tables: a row for each run on a page, a column for each on a terminal and in Markdown. */
import { modelLayerName } from '../analysis/layerNames.js';
import type { RunSummary } from '../analysis/runSummary.js';
import type { RunRecipe } from '../recipe/recipe.js';
import { runColours } from './charts/runColours.js';
import { compareRuns, type Cell, type Column } from './comparison.js';
import { unknown } from './format.js';
import { markdownTable, textTable, type Table, type TableCell } from './table.js';

/** The table of a page: a row for each run. @param columns as `compareRuns` gives them */
export function comparisonTable(runs: readonly RunSummary[], columns: readonly Column[]): Table<number> {
  const colours = runColours(runs);
  return {
    title: 'Comparison of the runs',
    columns: [
      {
        heading: 'Run',
        isName: true,
        cell: (index) => ({ text: runs[index]!.name, details: describe(runs[index]!), colour: colours[index] }),
      },
      ...columns.map(({ title, relative, cells }) => ({
        heading: title,
        cell: (index: number) => withRelatives(cells[index]!, relative),
      })),
    ],
    rows: [...runs.keys()],
  };
}

/** Such as `PAD-Net, K = 4` and `MoE, 2 of 8 experts`; nothing where the name says it already. */
function describe({ name, layer, model }: RunSummary): string[] {
  const bank = layer === 'static' ? '' : bankText(model);
  return name === layer && bank === '' ? [] : [`${modelLayerName(model)}${bank}`];
}

/** Empty of the network of a program, which does not tell. */
function bankText(model: RunRecipe['model']): string {
  if ('numExperts' in model) return `, ${model.k} of ${model.numExperts} experts`;
  return 'numKernels' in model ? `, K = ${model.numKernels}` : '';
}

function withRelatives({ text, detail, best, toStatic, toDynamic }: Cell, relative: Column['relative']): TableCell {
  const against = (value: string | null, other: string): string[] =>
    value === null ? [] : [relative === 'points' ? `${value} vs ${other}` : `${value} × ${other}`];
  const details = [
    ...(detail === null ? [] : [detail]),
    ...against(toStatic, 'static'),
    ...against(toDynamic, 'dynamic'),
  ];
  return { text, best, details };
}

/** The table and its notes; a `*` marks the best value of a line. */
export function comparisonText(runs: readonly RunSummary[]): string {
  const { columns, notes } = compareRuns(runs);
  const legend = columns.some(({ cells }) => cells.some(({ best }) => best)) ? ['* best'] : [];
  return [textTable(lineTable(runs, columns), { best: true }), '', ...legend, ...notes].join('\n');
}

/** The table and its notes; the best value of a line is bold. */
export function comparisonMarkdown(runs: readonly RunSummary[]): string {
  const { columns, notes } = compareRuns(runs);
  return [markdownTable(lineTable(runs, columns), { best: true }), '', ...notes.map((note) => `- ${note}`)].join('\n');
}

interface Line {
  readonly name: string;
  /** One for each run. */
  readonly cells: readonly TableCell[];
}

/** A column for each run, a line for each value and each comparison. */
function lineTable(runs: readonly RunSummary[], columns: readonly Column[]): Table<Line> {
  const compared = ({ cells, relative }: Column, key: 'toStatic' | 'toDynamic', kind: string): Line[] =>
    cells.every((cell) => cell[key] === null)
      ? []
      : [
          {
            name: `  ${relative === 'points' ? 'points to' : 'times'} ${kind}`,
            cells: cells.map((cell) => ({ text: cell[key] ?? unknown })),
          },
        ];
  return {
    title: 'Comparison of the runs',
    columns: [
      { heading: 'run', isName: true, cell: ({ name }) => name },
      ...runs.map(({ name }, index) => ({ heading: name, cell: ({ cells }: Line) => cells[index] })),
    ],
    rows: [
      { name: '', cells: runs.map(({ model }) => ({ text: modelLayerName(model) })) },
      ...columns.flatMap((column) => [
        { name: column.title, cells: column.cells.map(({ text, best }) => ({ text, best })) },
        ...compared(column, 'toStatic', 'static'),
        ...compared(column, 'toDynamic', 'dynamic'),
      ]),
    ],
  };
}
