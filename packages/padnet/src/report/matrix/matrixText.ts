/** The common parts of the tables of a matrix: cells of scores and differences, their outcomes, and notes. */
import { changeNotes } from '../../analysis/changeNotes.js';
import type { FinishedRun, MatrixResults, SeedScores } from '../../experiments/index.js';
import type { Recipe } from '../../recipe/recipe.js';
import type { MeanDeviation, MeanInterval } from '../../statistics.js';
import { unknown } from '../format.js';
import type { TableCell } from '../table.js';

/** @param digits after the point */
export function scoreCell({ score, failed }: SeedScores, seeds: number, digits: number): TableCell {
  const lost = failed.length === 0 ? [] : [seeds === 1 ? 'failed' : `${failed.length} failed`];
  if (score === null) return { text: lost[0] ?? unknown };
  const remarks = [...(score.count < seeds ? [String(score.count)] : []), ...lost].join(', ');
  const text = hundredfold(score.mean, digits);
  return { text, details: [...deviationText(score, digits), ...(remarks === '' ? [] : [`(${remarks})`])] };
}

/** A star where the interval excludes 0. */
export function differenceCell(difference: MeanInterval | null, digits: number): TableCell {
  if (difference === null) return { text: unknown };
  const details = intervalText(difference, digits).map((text) => (isBeyondChance(difference) ? `${text} *` : text));
  return { text: signedHundredfold(difference.mean, digits), details };
}

/** `87.1 ± 0.6`; of a single value without its deviation. */
export function meanText(score: MeanDeviation, digits: number): string {
  return [hundredfold(score.mean, digits), ...deviationText(score, digits)].join(' ');
}

/** `± 0.6`; nothing of a single value. */
export function deviationText({ deviation }: MeanDeviation, digits: number): string[] {
  return deviation === null ? [] : [`± ${hundredfold(deviation, digits)}`];
}

/** `[2.8, 5.8]`; nothing of a single value. */
export function intervalText({ interval }: MeanInterval, digits: number): string[] {
  return interval === null ? [] : [`[${interval.map((end) => hundredfold(end, digits)).join(', ')}]`];
}

/** Whether the interval of a difference excludes 0; null where one seed tells nothing. */
export function isBeyondChance({ interval }: MeanInterval): boolean | null {
  return interval && (interval[0] > 0 || interval[1] < 0);
}

/** How often an interval excludes 0 where nothing differs. */
export const chance = 0.05;

/** × 100 */
export function hundredfold(fraction: number, digits: number): string {
  const text = (100 * fraction).toFixed(digits);
  return Number(text) === 0 ? text.replace('-', '') : text.replace('-', '−');
}

export function signedHundredfold(fraction: number, digits: number): string {
  const text = hundredfold(fraction, digits);
  return fraction > 0 && Number(text) !== 0 ? `+${text}` : text;
}

/** By what their differences say; those without one are left out. */
export function outcomes<Of extends { readonly difference: MeanInterval | null }>(differences: readonly Of[]) {
  const groups = { above: [] as Of[], below: [] as Of[], open: [] as Of[], single: [] as Of[] };
  for (const each of differences) {
    if (each.difference === null) continue;
    const beyond = isBeyondChance(each.difference);
    groups[beyond === null ? 'single' : !beyond ? 'open' : each.difference.mean > 0 ? 'above' : 'below'].push(each);
  }
  return groups;
}

/** `seed 1`, or how several are summed up. */
export function overSeeds(seeds: readonly number[]): string {
  return seeds.length === 1 ? `seed ${seeds[0]!}` : `mean ± standard deviation (n − 1) over seeds ${seeds.join(', ')}`;
}

/** How to read the cells of several seeds. */
export function seedNotes(seeds: readonly number[], cells: readonly SeedScores[]): string[] {
  if (seeds.length === 1) return [];
  const isOpen = cells.some(({ score }) => score !== null && score.count < seeds.length);
  return [
    ...(isOpen ? [`In parentheses: how many of ${seeds.length} seeds have finished, where not all.`] : []),
    'Differences are of the same seeds: their mean and, in brackets, its 95 % interval (Student’s t); * where that ' +
      `excludes 0, as it does by chance in ${100 * chance} % of cells where two networks are equal.`,
  ];
}

/**
 * Notes on how runs were made, and on those that failed.
 *
 * @param nameOf a failed run, such as `MRPC, PAD`
 */
export function runNotes<Cell extends { readonly seed: number }>(
  { runs, failed }: MatrixResults<Cell>,
  nameOf: (cell: Cell) => string,
): string[] {
  const machines = new Set(runs.map(machineOf));
  return [
    ...(machines.size > 1
      ? ['Runs come from different machines or numbers of threads: their times and memory cannot be compared.']
      : []),
    ...changeNotes(runs.map(({ run, changes }) => ({ name: run, changes }))),
    ...failed.map((cell) => `Failed: ${nameOf(cell)}, seed ${cell.seed}: ${cell.message}`),
  ];
}

function machineOf({ environment }: FinishedRun): string {
  return environment ? [environment.cpu, environment.cores, environment.threads].join() : '';
}

/** Whether the epoch that a run kept was chosen by the test data. */
export function choseByTest({ training: { earlyStopping, epochScore } }: Recipe): boolean {
  return earlyStopping !== undefined && epochScore === 'test';
}
