/** What `padnet predict` says of pictures: a table, JSON or CSV. */
import { answerPictures, type Picture, type PictureAnswer } from '../analysis/index.js';
import type { BadPicture } from '../data/index.js';
import { fuseBatchNorms } from '../layers/index.js';
import type { PictureModel } from '../runs/index.js';
import { printable } from '../printable.js';
import { formatPercent } from '../report/format.js';
import { alignGrid } from '../report/grid.js';
import { csvLine } from './csv.js';
import type { Terminal } from './terminal.js';

export interface PicturePrediction {
  /** The folder of the network. */
  readonly run: string;
  readonly model: PictureModel;
  readonly pictures: readonly Picture[];
  /** Whether one file was asked for, not a list or a folder: its classes are a table of their own. */
  readonly single: boolean;
  /** How many classes are shown. @default five; one in the lines of several pictures and in CSV */
  readonly top?: number | undefined;
  /** Not with `csv`. */
  readonly coefficients: boolean;
  readonly format: 'table' | 'json' | 'csv';
}

/** What can not be answered is named, counted, and makes the exit code 1. */
export async function predictPictures(prediction: PicturePrediction, terminal: Terminal): Promise<void> {
  const { run, model, pictures, single, format, coefficients } = prediction;
  const { classNames } = model.description;
  const brief = format === 'csv' || (format === 'table' && !single);
  const top = Math.min(prediction.top ?? (brief ? 1 : 5), classNames.length);
  fuseBatchNorms(model.network);
  const answers = answerPictures(model, pictures, { signal: terminal.closed });
  const shown = { top, coefficients };
  let failed = 0;
  let mixing = false;
  if (format === 'csv') terminal.print(csvHeading(top));
  if (format === 'table' && !single) terminal.print(manyHeading(classNames, top));
  for await (const answer of answers) {
    const isBad = 'reason' in answer;
    if (isBad) {
      failed++;
      terminal.remark(`padnet: ${printable(answer.file)}: ${answer.reason}`);
    } else mixing ||= answer.coefficients.length > 0;
    if (format === 'json') terminal.printJson(answerJson(answer, shown), { oneLine: !single });
    else if (format === 'csv') terminal.print(csvRow(answer, top));
    else if (!isBad) terminal.print(single ? oneText(answer, shown) : manyText(answer, classNames, shown));
  }
  if (coefficients && !mixing && failed < pictures.length)
    terminal.remark(`padnet: no convolution of ${run} mixes kernels, so there are no coefficients`);
  if (failed === 0) return;
  if (pictures.length > 1) terminal.remark(`padnet: ${failed} of ${pictures.length} pictures could not be answered`);
  terminal.exitCode = 1;
}

interface Shown {
  readonly top: number;
  readonly coefficients: boolean;
}

function answerJson(answer: PictureAnswer | BadPicture, { top, coefficients }: Shown): object {
  if ('reason' in answer) return { picture: answer.file, error: answer.reason };
  const [{ label, probability }] = answer.classes as [PictureAnswer['classes'][number]];
  return {
    picture: answer.file,
    label,
    probability,
    top: answer.classes.slice(0, top),
    ...(coefficients && { coefficients: answer.coefficients }),
  };
}

/** `picture,label,probability,label2,probability2,error` */
function csvHeading(top: number): string {
  const ranks = Array.from({ length: top }, (_, index) => (index === 0 ? '' : String(index + 1)));
  return csvLine(['picture', ...ranks.flatMap((rank) => [`label${rank}`, `probability${rank}`]), 'error']);
}

function csvRow(answer: PictureAnswer | BadPicture, top: number): string {
  if ('reason' in answer) return csvLine([answer.file, ...Array<string>(2 * top).fill(''), answer.reason]);
  const best = answer.classes.slice(0, top).flatMap(({ label, probability }) => [label, probability]);
  return csvLine([answer.file, ...best, '']);
}

function oneText({ classes, coefficients }: PictureAnswer, shown: Shown): string {
  const table = alignGrid({
    heading: ['class', 'probability'],
    rows: classes.slice(0, shown.top).map(({ label, probability }) => [label, formatPercent(probability, 2)]),
    leftColumns: 1,
  });
  return shown.coefficients && coefficients.length > 0 ? `${table}\n\n${coefficientTable(coefficients)}` : table;
}

/** Of the columns of several pictures, known beforehand: rows are printed as they come. */
function columnWidths(classNames: readonly string[], top: number): number[] {
  const width = Math.max('class'.length, ...classNames.map((name) => Array.from(printable(name)).length));
  return Array.from({ length: top }, () => [width, 'probability'.length]).flat();
}

/** Names left, numbers right, the picture last: it may be of any length. */
function columns(cells: readonly string[], widths: readonly number[], picture: string): string {
  const aligned = cells.map((cell, index) => {
    const gap = ' '.repeat(Math.max(0, widths[index]! - Array.from(cell).length));
    return index % 2 === 0 ? cell + gap : gap + cell;
  });
  return [...aligned, picture].join('  ');
}

function manyHeading(classNames: readonly string[], top: number): string {
  const widths = columnWidths(classNames, top);
  const titles = Array.from({ length: top }, () => ['class', 'probability']).flat();
  const rules = widths.map((width) => '─'.repeat(width));
  return `${columns(titles, widths, 'picture')}\n${columns(rules, widths, '─'.repeat('picture'.length))}`;
}

function manyText(answer: PictureAnswer, classNames: readonly string[], shown: Shown): string {
  const best = answer.classes
    .slice(0, shown.top)
    .flatMap(({ label, probability }) => [printable(label), formatPercent(probability, 2)]);
  const line = columns(best, columnWidths(classNames, shown.top), printable(answer.file));
  if (!shown.coefficients || answer.coefficients.length === 0) return line;
  return `${line}\n\n${coefficientTable(answer.coefficients)}\n`;
}

/** A row for each layer, a column for each of its kernels. */
function coefficientTable(layers: PictureAnswer['coefficients']): string {
  const numKernels = Math.max(...layers.map(({ coefficients }) => coefficients.length));
  return alignGrid({
    heading: ['layer', ...Array.from({ length: numKernels }, (_, kernel) => `α${kernel + 1}`)],
    rows: layers.map(({ path, coefficients }) => [path, ...coefficients.map((value) => value.toFixed(3))]),
    leftColumns: 1,
  });
}
