/** The answers of a network, as they come: a table of one, lines of several, JSON or CSV. */
import type { ClassProbability } from '../analysis/index.js';
import { formatPercent } from '../report/format.js';
import { listing } from '../report/table.js';
import { csvLine } from './csv.js';
import type { Question } from './modality.js';

/** The forms of an answer. */
export interface AnswerForm<Answer> {
  readonly csvHeading: readonly string[];
  csv(answer: Answer): readonly (string | number)[];
  json(answer: Answer): object;
  /** Above the lines of several. */
  readonly heading?: string;
  /** null where there is nothing to show. */
  line(answer: Answer): string | null;
  /** The answer where one was asked for. */
  one(answer: Answer): string | null;
}

/** @param single whether one was asked about, not a list: its answer is a table of its own */
export async function printAnswers<Answer>(
  answers: AsyncIterable<Answer>,
  form: AnswerForm<Answer>,
  single: boolean,
  { format, terminal }: Pick<Question, 'format' | 'terminal'>,
): Promise<void> {
  if (format === 'csv') terminal.print(csvLine(form.csvHeading));
  if (format === 'table' && !single && form.heading !== undefined) terminal.print(form.heading);
  for await (const answer of answers) {
    if (format === 'json') terminal.printJson(form.json(answer), { oneLine: !single });
    else if (format === 'csv') terminal.print(csvLine(form.csv(answer)));
    else {
      const text = single ? form.one(answer) : form.line(answer);
      if (text !== null) terminal.print(text);
    }
  }
}

/** The answer where one was asked for: its classes, the likeliest first. */
export function classTable(classes: readonly ClassProbability[]): string {
  return listing(classes, [
    { heading: 'class', isName: true, cell: ({ label }) => label },
    { heading: 'probability', cell: ({ probability }) => formatPercent(probability, 2) },
  ]);
}
