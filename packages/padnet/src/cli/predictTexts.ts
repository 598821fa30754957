/** `padnet predict` of texts: the answers as a table, lines, JSON or CSV; and which experts their tokens went to. */
import { printable } from '../printable.js';
import { formatPercent } from '../report/format.js';
import { listing, type TableColumn } from '../report/table.js';
import { answerTexts, type Text, type TextAnswer } from '../analysis/index.js';
import type { TextModel } from '../runs/index.js';
import { layerLabel } from '../analysis/layerNames.js';
import type { TextDefinition } from '../data/index.js';
import { type AnswerForm, classTable, printAnswers } from './answers.js';
import type { Inputs, Question } from './modality.js';
import { remarksOn } from './remarks.js';
import { definitionOf, textAsked, textsOfFile } from './textInputs.js';

type TextQuestion = Question<TextModel>;

export async function predictTexts(question: TextQuestion & Inputs): Promise<void> {
  const { run, model, inputs, file } = question;
  const texts = file === undefined ? [textAsked(run, model, inputs)] : await textsOfFile(run, model, file);
  await answerAboutTexts(question, texts, file === undefined);
}

/** @param single whether one text was asked for, not a file */
export async function answerAboutTexts(question: TextQuestion, texts: readonly Text[], single: boolean): Promise<void> {
  const { run, model, detailed, terminal } = question;
  const definition = definitionOf(run, model);
  if (detailed && model.description.model.layer === 'static')
    terminal.warn(`the network of ${run} is static: it has no experts`);
  const { onTruncate } = remarksOn(terminal);
  const answers = answerTexts(model, texts, { onTruncate, signal: terminal.closed });
  await printAnswers(answers, textForm(definition, detailed), single, question);
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

/**
 * The verdict, then its texts, with tabs between, so that lines can be cut and sorted: line ends in texts are spaces.
 */
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
  const classes = Object.entries(probabilities ?? {}).map(([label, probability]) => ({ label, probability }));
  const verdict = probabilities
    ? classTable(classes.sort((one, other) => other.probability - one.probability))
    : verdictText(answer);
  return withExperts && answer.experts.length > 0 ? `${verdict}\n\n${expertTable(answer)}` : verdict;
}

function verdictText({ label, probabilities, score }: TextAnswer): string {
  return score === null ? `${printable(label!)} ${formatPercent(probabilities![label!]!, 2)}` : score.toFixed(3);
}

/** A row for each token, a column for each layer: the experts, best first. */
function expertTable({ tokens, experts }: TextAnswer): string {
  const table = listing(
    tokens.map((token, row) => ({ token, row })),
    [
      { heading: 'token', isName: true, cell: ({ token }) => token },
      ...experts.map((layer): TableColumn<{ token: string; row: number }> => ({
        heading: layerLabel(layer.path),
        cell: ({ row }) => layer.experts[row]!.join(' '),
      })),
    ],
  );
  return `${table}\nexperts by layer, from 0, the one with the largest gate first`;
}
