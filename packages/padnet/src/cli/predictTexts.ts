/** What `padnet predict` says of texts: a table, lines, JSON or CSV; and which experts their tokens went to. */
import { printable } from '../printable.js';
import { formatPercent } from '../report/format.js';
import { alignGrid } from '../report/grid.js';
import { answerTexts, type Text, type TextAnswer } from '../analysis/index.js';
import type { TextModel } from '../runs/index.js';
import { layerLabel } from '../analysis/layerNames.js';
import type { TextDefinition } from '../data/index.js';
import { type AnswerForm, printAnswers } from './answers.js';
import type { Question } from './modalityCommands.js';
import { definitionOf, textAsked, textsOfFile } from './textInputs.js';
import type { Terminal } from './terminal.js';
import { truncationRemark } from './truncation.js';

type TextQuestion = Question<TextModel>;

export async function predictTexts(question: TextQuestion, terminal: Terminal): Promise<void> {
  const { run, model, inputs, file } = question;
  const texts = file === undefined ? [textAsked(run, model, inputs)] : await textsOfFile(run, model, file);
  await answerAboutTexts(question, texts, file === undefined, terminal);
}

/** @param single whether one text was asked for, not a file */
export async function answerAboutTexts(
  { run, model, detailed, format }: Omit<TextQuestion, 'inputs' | 'file'>,
  texts: readonly Text[],
  single: boolean,
  terminal: Terminal,
): Promise<void> {
  const definition = definitionOf(run, model);
  if (detailed && model.description.model.layer === 'static')
    terminal.remark(`padnet: the network of ${run} is static: it has no experts`);
  const answers = answerTexts(model, texts, { onTruncate: truncationRemark(terminal), signal: terminal.closed });
  await printAnswers(answers, textForm(definition, detailed), format, single, terminal);
}

function textForm({ columns, classNames }: TextDefinition, detailed: boolean): AnswerForm<TextAnswer> {
  const verdict = classNames ? ['label', 'probability'] : ['score'];
  return {
    csvHeading: [columns.first, ...(columns.second === null ? [] : [columns.second]), ...verdict],
    csv: ({ first, second, label, probabilities, score }) => [
      first,
      ...(second === null ? [] : [second]),
      ...(score === null ? [label!, probabilities![label!]!] : [score]),
    ],
    json: ({ experts, tokens, first, second, label, probabilities, score }) => ({
      sentence: first,
      ...(second !== null && { second }),
      ...(score === null ? { label, probability: probabilities![label!], probabilities } : { score }),
      ...(detailed && { tokens, experts }),
    }),
    line: (answer) => answerLine(answer, detailed),
    one: (answer) => answerText(answer, detailed),
  };
}

/** The verdict first, then tab-separated what it is of, so that lines can be cut and sorted: ends of lines in it are spaces. */
function answerLine(answer: TextAnswer, withExperts: boolean): string {
  const { first, second } = answer;
  const fields = [first, ...(second === null ? [] : [second])].map((text) =>
    printable(text.replace(/[\t\r\n]+/g, ' ')),
  );
  const line = [verdictText(answer), ...fields].join('\t');
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
  return score === null ? `${printable(label!)} ${formatPercent(probabilities![label!]!, 2)}` : score.toFixed(3);
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
