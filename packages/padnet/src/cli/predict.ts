/** `padnet predict`: what a run's network says of pictures, or of sentences. */
import type { Command } from 'commander';
import { InputError } from '../errors.js';
import { formatPercent } from '../report/format.js';
import { alignGrid } from '../report/grid.js';
import type { Text, TextAnswer } from '../report/index.js';
import { layerLabel } from '../report/layerNames.js';
import type { PictureModel, TextModel } from '../training/index.js';
import { allowCodeOption, wholeNumber, withExamples } from './options.js';
import { predictPictures } from './predictPictures.js';
import { readSentences } from './sentences.js';
import type { Terminal } from './terminal.js';
import { truncationRemark } from './truncation.js';
import { UsageError } from './usageError.js';

interface PredictOptions {
  readonly file?: string;
  readonly top?: number;
  readonly coefficients?: boolean;
  readonly experts?: boolean;
  readonly allowCode?: boolean;
  readonly json?: boolean;
  readonly csv?: boolean;
}

export function registerPredict(program: Command, terminal: Terminal): void {
  const command = program
    .command('predict')
    .description(
      "Say what a run's network takes pictures or sentences for: classes with their probabilities, and what its routers decided.",
    )
    .argument('<run>', 'folder of a finished run, or of a network that `padnet convert` wrote')
    .argument(
      '[inputs...]',
      'picture files, folders of them, - for a picture on standard input; of a run on texts a sentence, or a pair of them',
    )
    .option(
      '--file <file>',
      'names of pictures, or sentences (pairs with a tab between), one a line; - for standard input',
    )
    .option(
      '--top <number>',
      'pictures: so many classes of each (default: 5; 1 in lines of several and in CSV)',
      wholeNumber(1),
    )
    .option('--coefficients', 'pictures: show how every dynamic convolution mixes its kernels')
    .option('--experts', 'texts: show which experts each token went to, in every mixture of experts')
    .addOption(allowCodeOption())
    .option('--json', 'print the answer as JSON; of several, one line each')
    .option('--csv', 'pictures: print the answers as comma-separated values')
    .action((run: string, inputs: readonly string[], options: PredictOptions) =>
      predict(run, { inputs, ...options }, terminal),
    );
  withExamples(
    command,
    'predict runs/pad30 photo.jpg',
    'predict runs/pad30 holiday scans/*.tif --top 3 --csv',
    'predict runs/pad30 photo.jpg --coefficients',
    'predict runs/pad30 --file - < names.txt',
    'predict runs/sst2-pad50 "a film that is worth its length"',
    'predict runs/rte-pad50 "A cat sat on the mat." "There is a cat." --experts',
    'predict runs/rte-pad50 --file pairs.tsv --json',
  );
}

interface Question extends PredictOptions {
  readonly inputs: readonly string[];
}

async function predict(run: string, question: Question, terminal: Terminal): Promise<void> {
  const { file, inputs, allowCode } = question;
  if ((file === undefined) === (inputs.length === 0)) {
    throw new UsageError('give pictures or a sentence, or a file that lists them with --file');
  }
  const { loadAnyModel } = await import('../training/index.js');
  const model = loadAnyModel(run, { allowCode });
  if (model.modality === 'image') await askAboutPictures(run, model, question, terminal);
  else await askAboutTexts(run, model, question, terminal);
}

async function askAboutPictures(
  run: string,
  model: PictureModel,
  { inputs, file, top, coefficients = false, experts = false, json = false, csv = false }: Question,
  terminal: Terminal,
): Promise<void> {
  if (experts) throw new UsageError(`--experts is for runs on texts; ${run} is on pictures`);
  if (json && csv) throw new UsageError('--json and --csv are two forms of the answer: give one of them');
  if (csv && coefficients) throw new UsageError('--coefficients is for the table and --json, not for --csv');
  const { picturesListed, picturesNamed } = await import('./pictureFiles.js');
  const pictures = file === undefined ? await picturesNamed(inputs) : await picturesListed(file);
  const single = inputs.length === 1 && pictures.length === 1 && (inputs[0] === '-' || pictures[0]!.file === inputs[0]);
  const format = json ? 'json' : csv ? 'csv' : 'table';
  await predictPictures({ run, model, pictures, single, top, coefficients, format }, terminal);
}

async function askAboutTexts(run: string, model: TextModel, question: Question, terminal: Terminal): Promise<void> {
  const { file, experts = false, json = false } = question;
  const misplaced = (['top', 'coefficients', 'csv'] as const).find((name) => question[name] !== undefined);
  if (misplaced !== undefined) throw new UsageError(`--${misplaced} is for runs on pictures; ${run} is on texts`);
  const [{ answerTexts }, { glueTasks }] = await Promise.all([
    import('../report/index.js'),
    import('../data/index.js'),
  ]);
  const { task } = model.description;
  if (task === undefined) {
    throw new InputError(
      `${run} was converted from a pretrained encoder and not trained for a task yet, so it has no answers`,
    );
  }
  const isPair = glueTasks[task].second !== null;
  const texts = file === undefined ? [onlyText(question, task, isPair)] : await readSentences(file, isPair);
  if (experts && model.description.model.layer === 'static') {
    terminal.remark(`padnet: the network of ${run} is static: it has no experts`);
  }
  const answers = answerTexts(model, texts, { onTruncate: truncationRemark(terminal), signal: terminal.closed });
  for await (const answer of answers) {
    if (json) terminal.printJson(answerJson(answer, experts), { oneLine: file !== undefined });
    else terminal.print(file === undefined ? answerText(answer, experts) : answerLine(answer, experts));
  }
}

function onlyText({ inputs: [sentence, second, ...others] }: Question, task: string, isPair: boolean): Text {
  if (others.length > 0) throw new UsageError('expected one sentence or two: put each in quotes');
  if (isPair !== (second !== undefined)) {
    throw new UsageError(
      isPair ? `${task} is about pairs: give two sentences` : `${task} is about one sentence, not two`,
    );
  }
  if (sentence?.trim() === '' || second?.trim() === '') throw new InputError('the sentence is empty: give some words');
  return { first: sentence!, second: second ?? null };
}

function answerJson({ experts, tokens, first, second, ...verdict }: TextAnswer, withExperts: boolean): object {
  return {
    sentence: first,
    ...(second !== null && { second }),
    ...(verdict.score === null
      ? {
          label: verdict.label,
          probability: verdict.probabilities![verdict.label!],
          probabilities: verdict.probabilities,
        }
      : { score: verdict.score }),
    ...(withExperts && { tokens, experts }),
  };
}

/** The verdict first, then tab-separated what it is of, so that lines can be cut and sorted. */
function answerLine(answer: TextAnswer, withExperts: boolean): string {
  const { first, second } = answer;
  const line = [verdictText(answer), first, ...(second === null ? [] : [second])].join('\t');
  return withExperts ? `${line}\n${expertTable(answer)}\n` : line;
}

function answerText(answer: TextAnswer, withExperts: boolean): string {
  const { probabilities } = answer;
  const verdict = probabilities
    ? alignGrid({
        heading: ['class', 'probability'],
        rows: Object.entries(probabilities)
          .sort(([, a], [, b]) => b - a)
          .map(([name, probability]) => [name, formatPercent(probability, 2)]),
        leftColumns: 1,
      })
    : verdictText(answer);
  return withExperts && answer.experts.length > 0 ? `${verdict}\n\n${expertTable(answer)}` : verdict;
}

function verdictText({ label, probabilities, score }: TextAnswer): string {
  return score === null ? `${label!} ${formatPercent(probabilities![label!]!, 2)}` : score.toFixed(3);
}

/** A row for each token, a column for each layer: the experts, best first. */
function expertTable({ tokens, experts }: TextAnswer): string {
  const table = alignGrid({
    heading: ['token', ...experts.map(({ path }) => layerLabel(path))],
    rows: tokens.map((token, row) => [token, ...experts.map((layer) => layer.experts[row]!.join(' '))]),
    leftColumns: 1,
  });
  return `${table}\nexperts by layer, from 0, the one with the largest gate first`;
}
