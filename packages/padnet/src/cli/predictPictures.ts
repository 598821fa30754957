/** `padnet predict` of pictures: which they are, and the answers as a table, JSON or CSV. */
import { join } from 'node:path';
import { answerPictures, type Picture, type PictureAnswer } from '../analysis/index.js';
import { type BadPicture, listFiles } from '../data/index.js';
import { InputError } from '../errors.js';
import { fuseBatchNorms } from '../layers/index.js';
import type { PictureModel } from '../runs/index.js';
import { printable } from '../printable.js';
import { formatPercent } from '../report/format.js';
import { isFolder, readStandardInput } from '../readRegularFile.js';
import { alignRow, width } from '../report/grid.js';
import { listing, type TableColumn } from '../report/table.js';
import { type AnswerForm, classTable, printAnswers } from './answers.js';
import type { Inputs, Question } from './modality.js';
import { readLines } from './textInputs.js';
import { UsageError } from './usage.js';

type PictureQuestion = Question<PictureModel>;

export async function predictPictures(question: PictureQuestion & Inputs): Promise<void> {
  const { inputs, file } = question;
  const pictures = file === undefined ? await picturesNamed(inputs) : await picturesListed(file);
  const single = inputs.length === 1 && pictures.length === 1 && (inputs[0] === '-' || pictures[0]!.file === inputs[0]);
  await answerAboutPictures(question, pictures, single);
}

/**
 * Names and counts the pictures that cannot be answered; the exit code is 1 where there are some.
 *
 * @param single whether one file was asked for, not a list or a folder
 */
export async function answerAboutPictures(
  question: PictureQuestion,
  pictures: readonly Picture[],
  single: boolean,
): Promise<void> {
  const { run, model, format, detailed, top: wanted, terminal } = question;
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
        terminal.warn(`${printable(answer.file)}: ${answer.reason}`);
      } else mixing += answer.coefficients.length;
      yield answer;
    }
  };
  await printAnswers(answers(), pictureForm(classNames, top, detailed), single, question);
  if (detailed && mixing === 0 && failed < pictures.length)
    terminal.warn(`no convolution of ${run} mixes kernels, so there are no coefficients`);
  if (failed === 0) return;
  if (pictures.length > 1) terminal.warn(`${failed} of ${pictures.length} pictures could not be answered`);
  terminal.exitCode = 1;
}

/**
 * @param top how many classes: five by default, one in the lines of several pictures and in CSV
 * @param detailed whether coefficients are shown
 */
function pictureForm(
  classNames: readonly string[],
  top: number,
  detailed: boolean,
): AnswerForm<PictureAnswer | BadPicture> {
  const ranks = Array.from({ length: top }, (_, index) => (index === 0 ? '' : String(index + 1)));
  // Known beforehand: rows are printed as they come.
  const longest = Math.max('class'.length, ...classNames.map((name) => width(printable(name))));
  const widths = ranks.flatMap(() => [longest, 'probability'.length]);
  /** Names left, numbers right, the picture last: it may be of any length. */
  const line = (cells: readonly string[], picture: string): string =>
    alignRow([...cells, picture], widths, (column) => column % 2 === 0);
  const titles = ranks.flatMap(() => ['class', 'probability']);
  const rules = widths.map((each) => '─'.repeat(each));
  const details = ({ coefficients }: PictureAnswer): string =>
    detailed && coefficients.length > 0 ? `\n\n${coefficientTable(coefficients)}` : '';
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
    heading: `${line(titles, 'picture')}\n${line(rules, '─'.repeat('picture'.length))}`,
    line: (answer) => {
      if ('reason' in answer) return null;
      const best = answer.classes.slice(0, top);
      const cells = best.flatMap(({ label, probability }) => [printable(label), formatPercent(probability, 2)]);
      const beneath = details(answer);
      return `${line(cells, printable(answer.file))}${beneath}${beneath && '\n'}`;
    },
    one: (answer) => ('reason' in answer ? null : `${classTable(answer.classes.slice(0, top))}${details(answer)}`),
  };
}

/** A row for each layer, a column for each of its kernels. */
function coefficientTable(layers: PictureAnswer['coefficients']): string {
  const numKernels = Math.max(...layers.map(({ coefficients }) => coefficients.length));
  return listing(layers, [
    { heading: 'layer', isName: true, cell: ({ path }) => path },
    ...Array.from({ length: numKernels }, (_, kernel): TableColumn<(typeof layers)[number]> => ({
      heading: `α${kernel + 1}`,
      cell: ({ coefficients }) => coefficients[kernel]?.toFixed(3),
    })),
  ]);
}

/** The largest picture on standard input. */
const maxPictureBytes = 2 ** 28;

/** Files as they are named, those of folders in order of their names. @throws InputError where a folder has none */
export function picturesAt(paths: readonly string[]): Picture[] {
  return paths.flatMap((path) => {
    if (!isFolder(path)) return [{ file: path }];
    const files = listFiles(path);
    if (files.length === 0) throw new InputError(`${path}: there is no file in it`);
    return files.map((file) => ({ file: join(path, file.path) }));
  });
}

/** The same, with `-` for a picture on standard input. */
async function picturesNamed(paths: readonly string[]): Promise<Picture[]> {
  if (paths.filter((path) => path === '-').length > 1) throw new UsageError('- is standard input: give it once');
  const pictures: Picture[] = [];
  for (const path of paths) {
    if (path !== '-') pictures.push(...picturesAt([path]));
    else {
      const bytes = await readStandardInput({ expected: 'a picture', maxBytes: maxPictureBytes });
      pictures.push({ file: 'standard input', bytes });
    }
  }
  return pictures;
}

/** The pictures that a file names, one a line. @param list a path, or `-` for standard input */
async function picturesListed(list: string): Promise<Picture[]> {
  const paths = (await readLines(list, 'names of pictures, one a line')).filter((line) => line !== '');
  if (paths.length === 0) {
    throw new InputError(
      `${list === '-' ? 'standard input' : list}: expected names of pictures, one a line, found none`,
    );
  }
  return picturesAt(paths);
}
