/** The common parts of the tables of a matrix: cells of scores and differences, their outcomes, and notes. */
import { changeNotes } from '../../analysis/changeNotes.js';
import {
  excludesZero,
  type FinishedRun,
  holds,
  type MatrixResults,
  type PairedDifference,
  type SeedScores,
  SIGNIFICANCE,
} from '../../experiments/index.js';
import type { Recipe } from '../../recipe/recipe.js';
import type { MeanDeviation } from '../../statistics.js';
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

/** A star where it holds after the correction. */
export function differenceCell(difference: PairedDifference | null, digits: number): TableCell {
  if (difference === null) return { text: unknown };
  const details = intervalText(difference, digits).map((text) => (holds(difference) ? `${text} *` : text));
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
export function intervalText({ interval }: PairedDifference, digits: number): string[] {
  return interval === null ? [] : [`[${interval.map((end) => hundredfold(end, digits)).join(', ')}]`];
}

/** A p value: `0.43`, `0.031`, `< 0.001`. */
export function probabilityText(p: number): string {
  return p < 0.001 ? '< 0.001' : p.toFixed(p < 0.1 ? 3 : 2);
}

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
export function outcomes<Of extends { readonly difference: PairedDifference | null }>(differences: readonly Of[]) {
  /** `corrected`: the interval alone excludes 0, which the correction takes back; `single`: one seed. */
  const groups = {
    above: [] as Of[],
    below: [] as Of[],
    corrected: [] as Of[],
    open: [] as Of[],
    single: [] as Of[],
  };
  for (const each of differences) {
    if (each.difference === null) continue;
    groups[outcome(each.difference)].push(each);
  }
  return groups;
}

function outcome(difference: PairedDifference) {
  const isHeld = holds(difference);
  if (isHeld === null) return 'single';
  if (isHeld) return difference.mean > 0 ? 'above' : 'below';
  return excludesZero(difference) ? 'corrected' : 'open';
}

/** `seed 1`, or how several are summed up. */
export function overSeeds(seeds: readonly number[]): string {
  return seeds.length === 1 ? `seed ${seeds[0]!}` : `mean ± standard deviation (n − 1) over seeds ${seeds.join(', ')}`;
}

/**
 * How to read the cells of several seeds.
 *
 * @param family the differences that are corrected together, such as `the rows of its table`
 */
export function seedNotes(seeds: readonly number[], cells: readonly SeedScores[], family: string): string[] {
  if (seeds.length === 1) return [];
  const isOpen = cells.some(({ score }) => score !== null && score.count < seeds.length);
  return [
    ...(isOpen ? [`In parentheses: how many of ${seeds.length} seeds have finished, where not all.`] : []),
    'Differences are of the same seeds: their mean and, in brackets, its 95 % interval (Student’s t), each for ' +
      `itself; * marks those that hold at ${100 * SIGNIFICANCE} % after Holm’s correction over ${family}.`,
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
