/** What `padnet predict` says of texts: a table, lines, JSON or CSV; and which experts their tokens went to. */
import { printable } from '../printable.js';
import { formatPercent } from '../report/format.js';
import { alignGrid } from '../report/grid.js';
import { answerTexts, type Text, type TextAnswer } from '../analysis/index.js';
import type { TextModel } from '../runs/index.js';
import { layerLabel } from '../analysis/layerNames.js';
import { csvLine } from './csv.js';
import { definitionOf } from './textInputs.js';
import type { Terminal } from './terminal.js';
import { truncationRemark } from './truncation.js';

export interface TextPrediction {
  /** The folder of the network. */
  readonly run: string;
  readonly model: TextModel;
  readonly texts: readonly Text[];
  /** Whether one text was asked for, not a file: its classes are a table of their own. */
  readonly single: boolean;
  /** Not with `csv`. */
  readonly experts: boolean;
  readonly format: 'table' | 'json' | 'csv';
}

export async function predictTexts(prediction: TextPrediction, terminal: Terminal): Promise<void> {
  const { run, model, texts, single, experts, format } = prediction;
  const { columns, classNames } = definitionOf(run, model);
  if (experts && model.description.model.layer === 'static')
    terminal.remark(`padnet: the network of ${run} is static: it has no experts`);
  if (format === 'csv') {
    const verdict = classNames ? ['label', 'probability'] : ['score'];
    terminal.print(csvLine([columns.first, ...(columns.second === null ? [] : [columns.second]), ...verdict]));
  }
  const answers = answerTexts(model, texts, { onTruncate: truncationRemark(terminal), signal: terminal.closed });
  for await (const answer of answers) {
    if (format === 'json') terminal.printJson(answerJson(answer, experts), { oneLine: !single });
    else if (format === 'csv') terminal.print(answerCsv(answer));
    else terminal.print(single ? answerText(answer, experts) : answerLine(answer, experts));
  }
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

function answerCsv({ first, second, label, probabilities, score }: TextAnswer): string {
  const verdict = score === null ? [label!, probabilities![label!]!] : [score];
  return csvLine([first, ...(second === null ? [] : [second]), ...verdict]);
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
