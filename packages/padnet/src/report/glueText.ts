/** GLUE's table in words and digits, for a terminal and as Markdown; the page shows the same cells. */
import { glueTasks, type GlueTaskName } from '../data/index.js';
import type { GlueNetwork } from '../training/index.js';
import type { MeanDeviation } from '../training/meanDeviation.js';
import { formatBytes, formatCount, formatPercent, formatSeconds, unknown } from './format.js';
import type { GlueOrigin } from './glueDocument.js';
import { glueHeading, type GlueRun } from './glueResults.js';
import { isBeyondSpread, type GlueDifference, type GlueResults, type GlueTable } from './glueTable.js';
import { alignGrid } from './grid.js';

export interface GlueTextRow {
  readonly name: string;
  readonly scores: readonly string[];
}

export interface GlueText {
  readonly headings: readonly (readonly [name: string, detail: string])[];
  /** Majority class first. */
  readonly rows: readonly (GlueTextRow & { readonly network: GlueNetwork | null; readonly costs: readonly string[] })[];
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
  const { tasks, seeds } = matrix;
  const hasAverage = tasks.length > 1;
  const average = (text: string): string[] => (hasAverage ? [text] : []);
  const cell = (score: MeanDeviation | null, failed: readonly number[] = []): string => {
    const lost = failed.length === 0 ? '' : seeds.length === 1 ? 'failed' : `${failed.length} failed`;
    if (score === null) return lost === '' ? unknown : lost;
    const partly = score.count < seeds.length ? `${score.count}` : '';
    const remarks = [partly, lost].filter((text) => text !== '').join(', ');
    return `${spreadText(score, digits1)}${remarks === '' ? '' : ` (${remarks})`}`;
  };
  return {
    headings: [...tasks.map(glueHeading), ...(hasAverage ? [['Average', `${tasks.length} tasks`] as const] : [])],
    rows: [
      {
        network: null,
        name: 'majority class',
        scores: [...majority.scores.map(digits1), ...average(digits1(majority.average))],
        costs: costHeadings.map(() => ''),
      },
      ...rows.map(({ network, cells, average: ofAll, costs }) => ({
        network,
        name: glueNetworkName(network, results.runs),
        scores: [...cells.map(({ score, failed }) => cell(score, failed)), ...average(cell(ofAll))],
        costs: [
          formatCount(costs?.parameters ?? null),
          formatPercent(costs?.dynamicRatio ?? null),
          formatSeconds(costs?.stepSeconds ?? null),
          formatBytes(costs?.peakMemoryBytes ?? null),
        ],
      })),
    ],
    differences: differences.map(({ network, than, cells, average: ofAll }) => ({
      name: `${shortNames[network]} − ${shortNames[than]}`,
      scores: [...cells, ...(hasAverage ? [ofAll] : [])].map((difference) => {
        if (difference === null) return unknown;
        return `${spreadText(difference, signed)}${isBeyondSpread(difference) === true ? ' *' : ''}`;
      }),
    })),
    findings: differences.flatMap((difference) => finding(difference, tasks) ?? []),
    notes: notesOf(results, table),
  };
}

/** The table, aligned, and beneath it what it costs and what it says. */
export function glueTextTable(text: GlueText): string {
  const { headings, rows, differences, findings, notes } = text;
  const grid = (names: GlueText['headings'], lines: readonly (readonly string[])[]): string =>
    alignGrid({ heading: ['', ...names.map((parts) => parts.join(' '))], rows: lines, leftColumns: 1 });
  return [
    grid(
      headings,
      [...rows, ...differences].map(({ name, scores }) => [name, ...scores]),
    ),
    '',
    grid(
      costHeadings,
      rows.filter(({ network }) => network !== null).map(({ name, costs }) => [name, ...costs]),
    ),
    '',
    ...findings,
    ...notes,
  ].join('\n');
}

export function glueMarkdown(text: GlueText, { runs }: GlueResults, { command, date }: GlueOrigin): string {
  const { headings, rows, differences, findings, notes } = text;
  const line = (cells: readonly string[]): string => `| ${cells.map(escapeMarkdown).join(' | ')} |`;
  const columns = [...headings, ...costHeadings];
  return [
    line(['', ...columns.map((parts) => parts.join(' '))]),
    line([':--', ...columns.map(() => '--:')]),
    ...rows.map(({ name, scores, costs }) => line([name, ...scores, ...costs])),
    ...differences.map(({ name, scores }) => line([name, ...scores, ...costHeadings.map(() => '')])),
    '',
    ...findings.map((sentence) => `- ${sentence}`),
    '',
    ...notes.map((note) => `- ${note}`),
    '',
    `Made by \`${command}\`, ${date.toISOString().slice(0, 10)}. Runs: ${originText(runs)}.`,
    '',
  ].join('\n');
}

function escapeMarkdown(cell: string): string {
  return cell.replace(/[|\\*]/g, '\\$&');
}

/** Where runs were made: commits, machines, days. */
export function originText(runs: readonly GlueRun[]): string {
  const distinct = (value: (environment: NonNullable<GlueRun['environment']>) => string | null): string =>
    [...new Set(runs.flatMap(({ environment }) => (environment && value(environment)) ?? []))].sort().join(', ') ||
    'unknown';
  const machines = distinct(
    ({ cpu, cores, threads }) => `${cpu}, ${cores} cores, ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
  );
  const days = distinct(({ date }) => date.slice(0, 10));
  return `commit ${distinct(({ commit }) => commit)}; ${machines}; ${days}`;
}

const shortNames: Readonly<Record<GlueNetwork, string>> = {
  scratch: 'from scratch',
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
      return `${shortNames.moe}${only(({ recipe: { model } }) => `${model.k} of ${model.numExperts} experts`)}`;
    case 'pad':
      return `${shortNames.pad}${only(({ recipe: { partition } }) => `κ = ${partition?.ratio ?? 1}`)}`;
    case 'static':
    case 'scratch':
      return shortNames[network];
  }
}

/** Such as `PAD − MoE: higher on RTE, lower on CoLA, no difference beyond the spread on MRPC.`; null where nothing is known. */
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
  return said.length === 0 ? null : `${shortNames[network]} against ${shortNames[than]}: ${said.join('; ')}.`;
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
    notes.push(
      'Differences are of the same seeds, mean ± standard deviation; * where the mean is larger than the deviation.',
    );
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
  if (new Set(runs.map(machineOf)).size > 1) {
    notes.push('Runs come from different machines or numbers of threads: their times and memory cannot be compared.');
  }
  for (const { task, network, seed, message } of failed)
    notes.push(`Failed: ${glueTasks[task].folder}, ${shortNames[network]}, seed ${seed}: ${message}`);
  return notes;
}

function machineOf({ environment }: GlueRun): string {
  return environment ? [environment.cpu, environment.cores, environment.threads].join() : '';
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

function spreadText({ mean, deviation }: MeanDeviation, format: (value: number) => string): string {
  return deviation === null ? format(mean) : `${format(mean)} ± ${digits1(deviation)}`;
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
