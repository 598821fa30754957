/** GLUE's table in words and digits, for a terminal and as Markdown; the page shows the same cells. */
import { type GlueTaskName, glueTasks } from '../data/index.js';
import type { GlueMatrix, GlueNetwork } from '../experiments/index.js';
import type { FileKind } from '../outputFile.js';
import type { MeanDeviation } from '../statistics.js';
import { formatBytes, formatCount, formatPercent, formatSeconds, unknown } from './format.js';
import { originNotes } from '../experiments/finishedRun.js';
import type { GlueOrigin } from './glueDocument.js';
import { glueHeading, type GlueRun } from '../experiments/glueResults.js';
import type { GlueDifference, GlueResults, GlueTable, GlueTableCell } from '../experiments/glueTable.js';
import { alignGrid } from './grid.js';
import { isBeyondSpread, spreadNote } from '../experiments/seedSpread.js';

export interface GlueTextCell {
  readonly value: string;
  /** Deviation and remarks; null: none. */
  readonly detail: string | null;
  /** The highest mean of the networks, ties as shown included. */
  readonly best: boolean;
}

export interface GlueTextRow {
  readonly name: string;
  /** One for each task, and where there are several, their average. */
  readonly scores: readonly GlueTextCell[];
}

export interface GlueNetworkRow extends GlueTextRow {
  readonly network: GlueNetwork;
  /** As `costHeadings`. */
  readonly costs: readonly string[];
}

export interface GlueText {
  readonly headings: readonly (readonly [name: string, detail: string])[];
  readonly majority: GlueTextRow;
  readonly rows: readonly GlueNetworkRow[];
  readonly differences: readonly GlueTextRow[];
  /** What the differences say, a sentence each. */
  readonly findings: readonly string[];
  /** What has to be known to read the table. */
  readonly notes: readonly string[];
}

export const costHeadings = [
  ['Stored', 'numbers'],
  ['κ', 'reached'],
  ['Step', 'training'],
  ['Memory', 'peak'],
] as const;

export function glueText(results: GlueResults, table: GlueTable): GlueText {
  const { matrix, majority, rows, differences } = table;
  const { tasks } = matrix;
  const hasAverage = tasks.length > 1;
  const withAverage = <T>(cells: readonly T[], average: T): readonly T[] => (hasAverage ? [...cells, average] : cells);
  const scores = rows.map(({ cells, average }) => withAverage(cells, { score: average, failed: [] }));
  const bestOf = (column: number): string | null => {
    const means = scores.flatMap((cells) => cells[column]!.score?.mean ?? []);
    return means.length < 2 ? null : digits1(Math.max(...means));
  };
  return {
    headings: withAverage(tasks.map(glueHeading), ['Average', `${tasks.length} tasks`]),
    majority: {
      name: 'majority class',
      scores: withAverage(majority.scores, majority.average).map((score) => plainCell(digits1(score))),
    },
    rows: rows.map(({ network, costs }, row) => ({
      network,
      name: glueNetworkName(network, results.runs),
      scores: scores[row]!.map((cell, column) => scoreCell(cell, matrix, bestOf(column))),
      costs: [
        formatCount(costs?.parameters ?? null),
        formatPercent(costs?.dynamicRatio ?? null),
        formatSeconds(costs?.stepSeconds ?? null),
        formatBytes(costs?.peakMemoryBytes ?? null),
      ],
    })),
    differences: differences.map(({ network, than, cells, average }) => ({
      name: `${glueShortNames[network]} − ${glueShortNames[than]}`,
      scores: withAverage(cells, average).map(differenceCell),
    })),
    findings: [averageFinding(table), ...differences.map((each) => finding(each, tasks))].filter(
      (each) => each !== null,
    ),
    notes: notesOf(results, table),
  };
}

function scoreCell({ score, failed }: GlueTableCell, { seeds }: GlueMatrix, best: string | null): GlueTextCell {
  const lost = failed.length === 0 ? [] : [seeds.length === 1 ? 'failed' : `${failed.length} failed`];
  if (score === null) return plainCell(lost[0] ?? unknown);
  const remarks = [...(score.count < seeds.length ? [String(score.count)] : []), ...lost].join(', ');
  const spread = score.deviation === null ? [] : [`± ${digits1(score.deviation)}`];
  const details = [...spread, ...(remarks === '' ? [] : [`(${remarks})`])];
  const value = digits1(score.mean);
  return { value, detail: details.length === 0 ? null : details.join(' '), best: value === best };
}

function differenceCell(difference: MeanDeviation | null): GlueTextCell {
  if (difference === null) return plainCell(unknown);
  const { mean, deviation } = difference;
  const value = signed(mean);
  if (deviation === null) return plainCell(value);
  return { value, detail: `± ${digits1(deviation)}${isBeyondSpread(difference) === true ? ' *' : ''}`, best: false };
}

function plainCell(value: string): GlueTextCell {
  return { value, detail: null, best: false };
}

function cellText({ value, detail }: GlueTextCell): string {
  return detail === null ? value : `${value} ${detail}`;
}

/** The table, aligned, and beneath it what it costs and what it says. */
export function glueTextTable({ headings, majority, rows, differences, findings, notes }: GlueText): string {
  const grid = (names: GlueText['headings'], lines: readonly (readonly string[])[]): string =>
    alignGrid({ heading: ['', ...names.map((parts) => parts.join(' '))], rows: lines, leftColumns: 1 });
  const scores = [majority, ...rows, ...differences];
  return [
    grid(
      headings,
      scores.map((row) => [row.name, ...row.scores.map(cellText)]),
    ),
    '',
    grid(
      costHeadings,
      rows.map(({ name, costs }) => [name, ...costs]),
    ),
    '',
    ...findings,
    ...notes,
  ].join('\n');
}

export const glueMarkdownFile: FileKind = {
  name: "GLUE's table of padnet",
  isOne: (beginning) => beginning.startsWith('|  | ') && beginning.includes('\nMade by `padnet '),
};

export function glueMarkdown(text: GlueText, { runs }: GlueResults, { command, date }: GlueOrigin): string {
  const { headings, majority, rows, differences, findings, notes } = text;
  const line = (cells: readonly string[]): string => `| ${cells.map(escapeMarkdown).join(' | ')} |`;
  const columns = [...headings, ...costHeadings];
  const withoutCosts = ({ name, scores }: GlueTextRow): string =>
    line([name, ...scores.map(cellText), ...costHeadings.map(() => '')]);
  return [
    line(['', ...columns.map((parts) => parts.join(' '))]),
    `| ${[':--', ...columns.map(() => '--:')].join(' | ')} |`,
    withoutCosts(majority),
    ...rows.map(({ name, scores, costs }) => line([name, ...scores.map(cellText), ...costs])),
    ...differences.map(withoutCosts),
    '',
    ...[...findings, ...notes].map((sentence) => `- ${escapeMarkdown(sentence)}`),
    '',
    `Made by \`${command}\`, ${date.toISOString().slice(0, 10)}. Runs: ${originText(runs)}.`,
    '',
  ].join('\n');
}

function escapeMarkdown(cell: string): string {
  return cell.replace(/[|\\*]/g, '\\$&');
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

export const glueShortNames: Readonly<Record<GlueNetwork, string>> = {
  scratch: 'scratch',
  static: 'static',
  moe: 'MoE',
  pad: 'PAD',
};

/** With what its recipes agree on: `MoE, 2 of 4 experts`, `PAD, κ = 0.5`. */
export function glueNetworkName(network: GlueNetwork, runs: readonly GlueRun[]): string {
  const own = runs.filter((run) => run.network === network);
  const only = (value: (run: GlueRun) => string): string => {
    const values = new Set(own.map(value));
    return values.size === 1 ? `, ${[...values].join('')}` : '';
  };
  switch (network) {
    case 'moe':
      return `${glueShortNames.moe}${only(({ recipe: { model } }) => `${model.k} of ${model.numExperts} experts`)}`;
    case 'pad':
      return `${glueShortNames.pad}${only(({ recipe: { partition } }) => `κ = ${partition?.ratio ?? 1}`)}`;
    case 'static':
      return glueShortNames.static;
    case 'scratch':
      return 'from scratch';
  }
}

/** Such as `Average of 5 tasks: static 74.4, MoE 74.4, PAD 74.3; majority class 40.0.`; null where one is of fewer seeds. */
function averageFinding({ matrix: { tasks }, rows, majority }: GlueTable): string | null {
  const averages = rows.flatMap(({ network, average }) =>
    average === null ? [] : [`${glueShortNames[network]} ${digits1(average.mean)}`],
  );
  const sameSeeds = new Set(rows.map(({ average }) => average?.count)).size === 1;
  if (tasks.length === 1 || averages.length < rows.length || !sameSeeds) return null;
  return `Average of ${tasks.length} tasks: ${averages.join(', ')}; majority class ${digits1(majority.average)}.`;
}

/**
 * Such as `PAD against MoE: higher on RTE, lower on CoLA, no difference beyond the spread on MRPC.`; null where nothing is known.
 */
function finding({ network, than, cells }: GlueDifference, tasks: readonly GlueTaskName[]): string | null {
  const kinds = { higher: [], lower: [], none: [], single: [] } as Record<
    'higher' | 'lower' | 'none' | 'single',
    string[]
  >;
  cells.forEach((difference, index) => {
    if (difference === null) return;
    const beyond = isBeyondSpread(difference);
    const kind = beyond === null ? 'single' : !beyond ? 'none' : difference.mean > 0 ? 'higher' : 'lower';
    kinds[kind].push(glueTasks[tasks[index]!].folder);
  });
  const parts = [
    ['higher on', kinds.higher],
    ['lower on', kinds.lower],
    ['no difference beyond the spread on', kinds.none],
    ['one seed only, so no spread to compare with, on', kinds.single],
  ] as const;
  const said = parts.filter(([, names]) => names.length > 0).map(([text, names]) => `${text} ${names.join(', ')}`);
  if (said.length === 0) return null;
  return `${upperFirst(glueShortNames[network])} against ${glueShortNames[than]}: ${said.join('; ')}.`;
}

function notesOf({ runs, failed, majority }: GlueResults, { matrix, costTasks, rows }: GlueTable): string[] {
  const { tasks, seeds, networks } = matrix;
  const notes = [
    `Scores × 100 on the development sets${
      seeds.length === 1 ? `, seed ${seeds[0]!}` : `: mean ± standard deviation (n − 1) over seeds ${seeds.join(', ')}`
    }. Where a task has two metrics, their mean, as GLUE counts it.`,
  ];
  if (seeds.length > 1) {
    if (rows.some(({ cells }) => cells.some(({ score }) => score !== null && score.count < seeds.length))) {
      notes.push(`In parentheses: how many of ${seeds.length} seeds have finished, where not all.`);
    }
    notes.push(spreadNote(seeds.length));
  }
  const answers = majority.map(({ task, answer }) => `${glueTasks[task].folder} ${answer}`);
  notes.push(`Majority class: the training set's most frequent answer, always (${answers.join(', ')}).`);
  const stopped = namesWhere(tasks, runs, ({ recipe }) => recipe.training.earlyStopping !== undefined);
  if (stopped !== '') {
    notes.push(
      `Early stopping chose the epoch on the development set itself, so these scores are optimistic: ${stopped}.`,
    );
  }
  for (const [key, split] of [
    ['trainLimit', 'Trained on'],
    ['testLimit', 'Scored on'],
  ] as const) {
    const limits = new Map(runs.map(({ task, recipe }) => [task, recipe.data[key]]));
    const samples = tasks.flatMap((task) => {
      const limit = limits.get(task);
      return limit === undefined ? [] : [`${limit.toLocaleString('en')} rows of ${glueTasks[task].folder}`];
    });
    if (samples.length > 0) notes.push(`${split} a fixed sample: ${samples.join(', ')}.`);
  }
  if (costTasks.length > 0 && costTasks.length < tasks.length) {
    notes.push(
      `Costs are over the tasks that all ${networks.length} networks have finished: ` +
        `${costTasks.map((task) => glueTasks[task].folder).join(', ')}.`,
    );
  }
  notes.push(...originNotes(runs));
  for (const { task, network, seed, message } of failed)
    notes.push(`Failed: ${glueTasks[task].folder}, ${glueShortNames[network]}, seed ${seed}: ${message}`);
  return notes;
}

function namesWhere(
  tasks: readonly GlueTaskName[],
  runs: readonly GlueRun[],
  holds: (run: GlueRun) => boolean,
): string {
  return tasks
    .filter((task) => runs.some((run) => run.task === task && holds(run)))
    .map((task) => glueTasks[task].folder)
    .join(', ');
}

function digits1(fraction: number): string {
  return (100 * fraction)
    .toFixed(1)
    .replace(/^-(?=0\.0$)/, '')
    .replace('-', '−');
}

function signed(fraction: number): string {
  const text = digits1(fraction);
  return fraction > 0 && text !== '0.0' ? `+${text}` : text;
}

function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
