/** What `padnet predict` says of pictures: a table, JSON or CSV. */
import { answerPictures, type Picture, type PictureAnswer } from '../analysis/index.js';
import type { BadPicture } from '../data/index.js';
import { fuseBatchNorms } from '../layers/index.js';
import type { PictureModel } from '../runs/index.js';
import { printable } from '../printable.js';
import { formatPercent } from '../report/format.js';
import { alignGrid } from '../report/grid.js';
import { type AnswerForm, printAnswers } from './answers.js';
import type { Question } from './modalityCommands.js';
import { picturesListed, picturesNamed } from './pictureFiles.js';
import type { Terminal } from './terminal.js';

type PictureQuestion = Question<PictureModel>;

export async function predictPictures(question: PictureQuestion, terminal: Terminal): Promise<void> {
  const { inputs, file } = question;
  const pictures = file === undefined ? await picturesNamed(inputs) : await picturesListed(file);
  const single = inputs.length === 1 && pictures.length === 1 && (inputs[0] === '-' || pictures[0]!.file === inputs[0]);
  await answerAboutPictures(question, pictures, single, terminal);
}

/** What cannot be answered is named, counted, and makes the exit code 1. @param single whether one file was asked for, not a list or a folder */
export async function answerAboutPictures(
  { run, model, format, detailed, top: wanted }: Omit<PictureQuestion, 'inputs' | 'file'>,
  pictures: readonly Picture[],
  single: boolean,
  terminal: Terminal,
): Promise<void> {
  const { classNames } = model.description;
  const brief = format === 'csv' || (format === 'table' && !single);
  const top = Math.min(wanted ?? (brief ? 1 : 5), classNames.length);
  fuseBatchNorms(model.network);
  let failed = 0;
  let mixing = 0;
  const answers = async function* (): AsyncGenerator<PictureAnswer | BadPicture> {
    for await (const answer of answerPictures(model, pictures, { signal: terminal.closed })) {
      if ('reason' in answer) {
        failed++;
        terminal.remark(`padnet: ${printable(answer.file)}: ${answer.reason}`);
      } else mixing += answer.coefficients.length;
      yield answer;
    }
  };
  await printAnswers(answers(), pictureForm(classNames, { top, detailed }), format, single, terminal);
  if (detailed && mixing === 0 && failed < pictures.length)
    terminal.remark(`padnet: no convolution of ${run} mixes kernels, so there are no coefficients`);
  if (failed === 0) return;
  if (pictures.length > 1) terminal.remark(`padnet: ${failed} of ${pictures.length} pictures could not be answered`);
  terminal.exitCode = 1;
}

interface Shown {
  /** How many classes: five by default, one in the lines of several pictures and in CSV. */
  readonly top: number;
  /** Whether coefficients are. */
  readonly detailed: boolean;
}

function pictureForm(classNames: readonly string[], shown: Shown): AnswerForm<PictureAnswer | BadPicture> {
  const { top, detailed } = shown;
  const ranks = Array.from({ length: top }, (_, index) => (index === 0 ? '' : String(index + 1)));
  return {
    csvHeading: ['picture', ...ranks.flatMap((rank) => [`label${rank}`, `probability${rank}`]), 'error'],
    csv: (answer) => {
      if ('reason' in answer) return [answer.file, ...Array<string>(2 * top).fill(''), answer.reason];
      const best = answer.classes.slice(0, top).flatMap(({ label, probability }) => [label, probability]);
      return [answer.file, ...best, ''];
    },
    json: (answer) => {
      if ('reason' in answer) return { picture: answer.file, error: answer.reason };
      const { file, classes, coefficients } = answer;
      return { picture: file, ...classes[0], top: classes.slice(0, top), ...(detailed && { coefficients }) };
    },
    heading: manyHeading(classNames, top),
    line: (answer) => ('reason' in answer ? null : manyText(answer, classNames, shown)),
    one: (answer) => ('reason' in answer ? null : oneText(answer, shown)),
  };
}

function oneText({ classes, coefficients }: PictureAnswer, shown: Shown): string {
  const table = alignGrid({
    heading: ['class', 'probability'],
    rows: classes.slice(0, shown.top).map(({ label, probability }) => [label, formatPercent(probability, 2)]),
    leftColumns: 1,
  });
  return shown.detailed && coefficients.length > 0 ? `${table}\n\n${coefficientTable(coefficients)}` : table;
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
  if (!shown.detailed || answer.coefficients.length === 0) return line;
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
