/** GLUE's table in words and digits: rows for a terminal, Markdown and a page, and what they say. */
import { type GlueTaskName, glueTasks } from '../../data/index.js';
import {
  type GlueCosts,
  type GlueDifference,
  glueHeading,
  type GlueNetwork,
  type GlueResults,
  type GlueRun,
  type GlueTable,
  type SeedScores,
} from '../../experiments/index.js';
import { formatBytes, formatCount, formatPercent, formatSeconds, unknown } from '../format.js';
import type { Table, TableCell, TableColumn } from '../table.js';
import {
  choseByTest,
  differenceCell,
  hundredfold,
  outcomes,
  overSeeds,
  runNotes,
  scoreCell,
  seedNotes,
} from './matrixText.js';

/** Digits after the point. */
const digits = 1;

interface GlueTextRow {
  readonly name: TableCell;
  /** One for each task, and where there are several, their average. */
  readonly scores: readonly TableCell[];
  /** Null: not known; absent of what is no network: the majority class, and differences. */
  readonly costs?: GlueCosts | null;
}

export interface GlueText {
  /** Scores and differences by task. */
  readonly scores: Table<GlueTextRow>;
  readonly costs: Table<GlueTextRow>;
  /** Both side by side. */
  readonly whole: Table<GlueTextRow>;
  /** The outcomes of the differences, a sentence each. */
  readonly findings: readonly string[];
  /** Notes that are needed to read the table. */
  readonly notes: readonly string[];
}

function costColumn(heading: string, detail: string, text: (costs: GlueCosts) => string): TableColumn<GlueTextRow> {
  return { heading, detail, cell: ({ costs }) => (costs === null ? unknown : costs && text(costs)) };
}

const costColumns = [
  costColumn('Stored', 'numbers', ({ parameters }) => formatCount(parameters)),
  costColumn('κ', 'reached', ({ dynamicRatio }) => formatPercent(dynamicRatio)),
  costColumn('Step', 'training', ({ stepSeconds }) => formatSeconds(stepSeconds)),
  costColumn('Memory', 'peak', ({ peakMemoryBytes }) => formatBytes(peakMemoryBytes)),
];

/** The networks' colours on a page, as `runColours` gives them in the order of `glueDetailNetworks`. */
export const glueColours: Readonly<Record<GlueNetwork, string>> = {
  static: 'var(--run-0)',
  moe: 'var(--run-1)',
  pad: 'var(--run-2)',
  scratch: 'var(--run-3)',
};

export function glueText(results: GlueResults, table: GlueTable): GlueText {
  const { matrix, majority, rows, differences } = table;
  const { tasks, seeds } = matrix;
  const withAverage = <T>(cells: readonly T[], average: T): readonly T[] =>
    tasks.length > 1 ? [...cells, average] : cells;
  const shown = rows.map(({ cells, average }) => withAverage<SeedScores>(cells, { score: average, failed: [] }));
  const best = withAverage(tasks, null).map((_, column) => {
    const means = shown.flatMap((cells) => cells[column]!.score?.mean ?? []);
    return means.length < 2 ? null : hundredfold(Math.max(...means), digits);
  });
  const networkRows = rows.map(({ network, costs }, row): GlueTextRow => {
    const cells = shown[row]!.map((each) => scoreCell(each, seeds.length, digits));
    return {
      name: { text: networkName(network, results.runs), colour: glueColours[network] },
      scores: cells.map((cell, column) => ({ ...cell, best: cell.text === best[column] })),
      costs,
    };
  });
  const name: TableColumn<GlueTextRow> = { heading: 'Network', isName: true, cell: (row) => row.name };
  const scoreColumns = withAverage(tasks.map(glueHeading), ['Average', `${tasks.length} tasks`]).map(
    ([heading, detail], index): TableColumn<GlueTextRow> => ({ heading, detail, cell: (row) => row.scores[index] }),
  );
  const constant = withAverage(majority.scores, majority.average).map((score) => hundredfold(score, digits));
  const allRows: GlueTextRow[] = [
    { name: { text: 'majority class' }, scores: constant.map((text) => ({ text })) },
    ...networkRows,
    ...differences.map(({ network, than, cells, average }) => ({
      name: { text: `${glueShortNames[network]} − ${glueShortNames[than]}` },
      scores: withAverage(cells, average).map((each) => differenceCell(each, digits)),
    })),
  ];
  const title = 'Scores by network and task';
  return {
    scores: { title, columns: [name, ...scoreColumns], rows: allRows },
    costs: { title: 'Costs by network', columns: [name, ...costColumns], rows: networkRows },
    whole: { title, columns: [name, ...scoreColumns, ...costColumns], rows: allRows },
    findings: [averageFinding(table), ...differences.map((each) => finding(each, tasks))].filter(
      (each) => each !== null,
    ),
    notes: notesOf(results, table),
  };
}

export const glueShortNames: Readonly<Record<GlueNetwork, string>> = {
  scratch: 'scratch',
  static: 'static',
  moe: 'MoE',
  pad: 'PAD',
};

/** A network's name with what its recipes agree on: `MoE, 2 of 4 experts`, `PAD, κ = 0.5`. */
function networkName(network: GlueNetwork, runs: readonly GlueRun[]): string {
  const own = runs.filter((run) => run.network === network);
  const only = (value: (run: GlueRun) => string): string => {
    const values = new Set(own.map(value));
    return values.size === 1 ? `, ${[...values].join('')}` : '';
  };
  const details = {
    scratch: 'from scratch',
    static: glueShortNames.static,
    moe: `${glueShortNames.moe}${only(({ recipe: { model } }) => `${model.k} of ${model.numExperts} experts`)}`,
    pad: `${glueShortNames.pad}${only(({ recipe: { partition } }) => `κ = ${partition?.ratio ?? 1}`)}`,
  };
  return details[network];
}

/** Such as `Average of 5 tasks: static 74.4, PAD 74.3; majority class 40.0.`; null where one is of fewer seeds. */
function averageFinding({ matrix: { tasks }, rows, majority }: GlueTable): string | null {
  const averages = rows.flatMap(({ network, average }) =>
    average === null ? [] : [`${glueShortNames[network]} ${hundredfold(average.mean, digits)}`],
  );
  const sameSeeds = new Set(rows.map(({ average }) => average?.count)).size === 1;
  if (tasks.length === 1 || averages.length < rows.length || !sameSeeds) return null;
  const constant = `majority class ${hundredfold(majority.average, digits)}`;
  return `Average of ${tasks.length} tasks: ${averages.join(', ')}; ${constant}.`;
}

/** Such as `PAD against MoE: higher on RTE; lower on CoLA; not told apart on MRPC.`; null where nothing is known. */
function finding({ network, than, cells }: GlueDifference, tasks: readonly GlueTaskName[]): string | null {
  const { above, below, corrected, open, single } = outcomes(
    cells.map((difference, index) => ({ label: glueTasks[tasks[index]!].folder, difference })),
  );
  const said = [
    ['higher on', above],
    ['lower on', below],
    ['not told apart once corrected for all tasks on', corrected],
    ['not told apart on', open],
    ['one seed only, so no spread to compare with, on', single],
  ] as const;
  const parts = said.flatMap(([text, group]) =>
    group.length === 0 ? [] : `${text} ${group.map(({ label }) => label).join(', ')}`,
  );
  if (parts.length === 0) return null;
  const name = glueShortNames[network];
  return `${name.charAt(0).toUpperCase()}${name.slice(1)} against ${glueShortNames[than]}: ${parts.join('; ')}.`;
}

function notesOf(results: GlueResults, { matrix, costTasks, rows }: GlueTable): string[] {
  const { runs, majority } = results;
  const { tasks, seeds, networks } = matrix;
  const folders = (of: readonly GlueTaskName[]): string => of.map((task) => glueTasks[task].folder).join(', ');
  const over = seeds.length === 1 ? ', ' : ': ';
  const answers = majority.map(({ task, answer }) => `${glueTasks[task].folder} ${answer}`);
  const stopped = tasks.filter((task) => runs.some((run) => run.task === task && choseByTest(run.recipe)));
  const samples = (key: 'trainLimit' | 'testLimit', verb: string): string[] => {
    const limits = new Map(runs.map(({ task, recipe }) => [task, recipe.data[key]]));
    const limited = tasks.flatMap((task) => {
      const limit = limits.get(task);
      return limit === undefined ? [] : `${limit.toLocaleString('en')} rows of ${glueTasks[task].folder}`;
    });
    return limited.length === 0 ? [] : [`${verb} a fixed sample: ${limited.join(', ')}.`];
  };
  return [
    `Scores × 100 on the development sets${over}${overSeeds(seeds)}. Where a task has two metrics, their mean, as ` +
      'GLUE counts it.',
    ...seedNotes(
      seeds,
      rows.flatMap(({ cells }) => cells),
      tasks.length === 1 ? 'its tasks' : 'the tasks of their row, or over all averages',
    ),
    `Majority class: the training set's most frequent answer, always (${answers.join(', ')}).`,
    ...(stopped.length === 0
      ? []
      : [
          'Early stopping chose the epoch on the development set itself, so these scores are optimistic: ' +
            `${folders(stopped)}.`,
        ]),
    ...samples('trainLimit', 'Trained on'),
    ...samples('testLimit', 'Scored on'),
    ...(costTasks.length > 0 && costTasks.length < tasks.length
      ? [`Costs are over the tasks that all ${networks.length} networks have finished: ${folders(costTasks)}.`]
      : []),
    ...runNotes(results, ({ task, network }) => `${glueTasks[task].folder}, ${glueShortNames[network]}`),
  ];
}
