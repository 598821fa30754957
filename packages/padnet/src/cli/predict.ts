/** `padnet predict`: what a run's network says of a sentence, or of a file of them. */
import type { Command } from 'commander';
import { InputError } from '../errors.js';
import { formatPercent } from '../report/format.js';
import { alignGrid } from '../report/grid.js';
import type { Text, TextAnswer } from '../report/index.js';
import { layerLabel } from '../report/layerNames.js';
import { allowCodeOption, withExamples } from './options.js';
import { readSentences } from './sentences.js';
import type { Terminal } from './terminal.js';
import { truncationRemark } from './truncation.js';
import { UsageError } from './usageError.js';

interface PredictOptions {
  readonly file?: string;
  readonly experts?: boolean;
  readonly allowCode?: boolean;
  readonly json?: boolean;
}

export function registerPredict(program: Command, terminal: Terminal): void {
  const command = program
    .command('predict')
    .description(
      "Say what a run's network takes a sentence for, or each of a file; and which experts its tokens went to.",
    )
    .argument('<run>', 'folder of a finished run on texts, or of a network that was converted from one')
    .argument('[sentence]', 'what to judge')
    .argument('[second]', 'the other sentence, where the task is about pairs')
    .option('--file <file>', 'sentences by line, pairs with a tab between; - for standard input')
    .option('--experts', 'show which experts each token went to, in every mixture of experts')
    .addOption(allowCodeOption())
    .option('--json', 'print the answer as JSON; of a file, one line each')
    .action((run: string, sentence: string | undefined, second: string | undefined, options: PredictOptions) =>
      predict(run, { sentence, second, ...options }, terminal),
    );
  withExamples(
    command,
    'predict runs/sst2-pad50 "a film that is worth its length"',
    'predict runs/rte-pad50 "A cat sat on the mat." "There is a cat." --experts',
    'predict runs/rte-pad50 --file pairs.tsv --json',
  );
}

interface Question extends PredictOptions {
  readonly sentence: string | undefined;
  readonly second: string | undefined;
}

async function predict(run: string, question: Question, terminal: Terminal): Promise<void> {
  const { file, sentence, experts = false, allowCode, json = false } = question;
  if ((file === undefined) === (sentence === undefined)) {
    throw new UsageError('give a sentence, or a file of them with --file');
  }
  const [{ loadAnyModel }, { answerTexts }, { glueTasks }] = await Promise.all([
    import('../training/index.js'),
    import('../report/index.js'),
    import('../data/index.js'),
  ]);
  const model = loadAnyModel(run, { allowCode });
  if (model.modality !== 'text') {
    throw new InputError(`${run} is on pictures; predict answers sentences, \`padnet eval ${run}\` evaluates pictures`);
  }
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

function onlyText({ sentence, second }: Question, task: string, isPair: boolean): Text {
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
