/** `padnet eval` of a network for texts: every metric, accuracy by class, and predictions to hand in. */
import { basename, join } from 'node:path';
import {
  assertNumbersDiffer,
  glueTasks,
  readOwnTable,
  type TextDataset,
  textsOfTable,
  tokenise,
  writeSubmission,
} from '../data/index.js';
import type { TextRecipe } from '../recipe/index.js';
import { holdFolder, readSplit, RunFolder, type TextModel } from '../runs/index.js';
import {
  evaluateTexts as evaluate,
  type Evaluation,
  loadOwnSubmission,
  loadTexts,
  predictedLabels,
  predictTexts as predict,
  savedTask,
  type TextSets,
} from '../training/index.js';
import { InputError } from '../errors.js';
import { writeOutput, type FileKind } from '../outputFile.js';
import { formatSeconds } from '../report/format.js';
import { formatScore, metricName } from '../report/scoreText.js';
import { classAccuracies, classTable } from './classTable.js';
import { csvLine } from './csv.js';
import { predictTexts } from './predictTexts.js';
import { definitionOf, tableOptions, textColumns, textsIn } from './textInputs.js';
import type { Terminal } from './terminal.js';
import { truncationRemark } from './truncation.js';

export interface TextEvaluation {
  /** The folder of the network. */
  readonly run: string;
  readonly model: TextModel;
  readonly json: boolean;
}

export interface RecipeEvaluation extends TextEvaluation {
  readonly recipe: TextRecipe;
  /** Of the recipe, whose run may have divided its rows. */
  readonly folder: string;
  /** Folder of the files to hand in; null: none are written. */
  readonly submission: string | null;
}

/** On the test data of a recipe. */
export async function evaluateTexts(options: RecipeEvaluation, terminal: Terminal): Promise<void> {
  const { recipe, model, folder, submission } = options;
  const split = readSplit(new RunFolder(folder).split);
  const sets = loadTexts(recipe.data, { split });
  // What is missing is said before anything is computed.
  const submitted = submission === null ? [] : submissionSets(sets, options);
  const remark = truncationRemark(terminal);
  const task = await savedTask(recipe, model, {
    split,
    // The task has the training set too, which is not looked at.
    onTruncate: (truncation) => {
      if (truncation.name !== sets.train.name) remark(truncation);
    },
  });
  const start = performance.now();
  const evaluation = await task.evaluate({ signal: terminal.closed });
  const seconds = (performance.now() - start) / 1000;
  const files: string[] = [];
  if (submission !== null) {
    using _hold = await holdFolder(submission);
    for (const set of submitted) files.push(await writePredictions(set, options, terminal));
  }
  show({ ...options, set: sets.test, evaluation, seconds, files: submission === null ? null : files }, terminal);
}

/** On a file of other texts: scored where it has labels, else predicted. */
export async function evaluateTextFile(options: TextEvaluation, file: string, terminal: Terminal): Promise<void> {
  const { run, model, json } = options;
  const definition = definitionOf(run, model);
  const table = readOwnTable(file, tableOptions(run, model.description) ?? {}, textColumns(definition));
  if (!table.columns.includes(definition.columns.label)) {
    const texts = textsIn(textsOfTable(table, definition, { name: file, isLabelled: false }));
    terminal.remark(`padnet: ${file} has no column ${definition.columns.label}, so its texts are predicted`);
    await predictTexts({ run, model, texts, single: false, experts: false, format: json ? 'json' : 'table' }, terminal);
    return;
  }
  const set = textsOfTable(table, definition, { name: basename(file), isLabelled: true });
  assertNumbersDiffer(set, file, definition);
  const { maxLength } = model.description;
  const tokenised = tokenise(set, model.tokenizer, { maxLength, onTruncate: truncationRemark(terminal) });
  const start = performance.now();
  const evaluation = await evaluate(model.network, tokenised, definition, { signal: terminal.closed });
  show({ ...options, set, evaluation, seconds: (performance.now() - start) / 1000, files: null }, terminal);
}

interface Shown extends TextEvaluation {
  readonly set: TextDataset;
  readonly evaluation: Evaluation;
  readonly seconds: number;
  /** To hand in; null: none were asked for. */
  readonly files: readonly string[] | null;
}

function show({ run, model, json, set, evaluation, seconds, files }: Shown, terminal: Terminal): void {
  const { metric, score, metrics, loss, predictions } = evaluation;
  const { classNames, labels, length } = set;
  const classes = classNames && labels && classAccuracies(classNames, labels, predictions);
  if (json) {
    terminal.printJson({
      run,
      task: model.description.task ?? null,
      metric,
      score,
      metrics,
      loss,
      sentences: length,
      sentencesPerSecond: length / seconds,
      seconds,
      classes: classes?.map(({ name, samples, accuracy }) => ({ name, sentences: samples, accuracy })) ?? null,
      ...(files && { submission: files }),
    });
    return;
  }
  const values = Object.entries(metrics).map(([name, value]) => `${metricName(name)} ${formatScore(name, value)}`);
  const mean = metric.includes('/') ? `, mean ${formatScore(metric, score)}` : '';
  terminal.print(
    [
      `test ${values.join(', ')}${mean}, loss ${loss.toFixed(4)}`,
      `${length} sentences of ${set.name} in ${formatSeconds(seconds)}, ${Math.round(length / seconds)} a second`,
      ...(classes ? ['', classTable(classes, 'sentences')] : []),
      ...(files && files.length > 0 ? ['', `to hand in: ${files.join(', ')}`] : []),
    ].join('\n'),
  );
}

interface SubmissionSet {
  readonly set: TextDataset;
  readonly mismatched: boolean;
}

/** @throws InputError where there is no test file beside what is tested on */
function submissionSets(sets: TextSets, { recipe: { data } }: RecipeEvaluation): SubmissionSet[] {
  if (data.name === 'text') {
    const set = loadOwnSubmission(data, sets.definition);
    if (set) return [{ set, mismatched: false }];
    throw new InputError(
      '--submission: the data have no file `test` beside the one that is tested on; answer other files with ' +
        '`padnet predict <run> --file <file> --csv`',
    );
  }
  const { submission, submissionMismatched } = sets;
  if (!submission) {
    throw new InputError(
      `--submission: ${data.path!}/${glueTasks[data.task].folder} has no test.tsv[.gz], whose examples are ` +
        'to be predicted; get it at https://gluebenchmark.com/tasks',
    );
  }
  return [
    { set: submission, mismatched: false },
    ...(submissionMismatched ? [{ set: submissionMismatched, mismatched: true }] : []),
  ];
}

const predictionsHeading = 'index,prediction';

/** Of texts of one's own; the texts themselves may be in a file of the same name. */
const predictionsFile: FileKind = {
  name: 'table of predictions',
  isOne: (beginning) => beginning.startsWith(`${predictionsHeading}\n`),
};

/** @returns the file's path. @throws InputError where there is a file of another kind */
async function writePredictions(
  { set, mismatched }: SubmissionSet,
  { model, recipe: { data }, submission }: RecipeEvaluation,
  terminal: Terminal,
): Promise<string> {
  const { maxLength } = model.description;
  const tokenised = tokenise(set, model.tokenizer, { maxLength, onTruncate: truncationRemark(terminal) });
  const predictions = await predict(model.network, tokenised, { signal: terminal.closed });
  const { classNames, indices } = set;
  const labels = predictedLabels(predictions, classNames !== null);
  if (data.name === 'glue') return writeSubmission(submission!, data.task, labels, { indices, mismatched });
  const rows = Array.from(labels, (label, row) =>
    csvLine([indices?.[row] ?? row, classNames ? classNames[label]! : label]),
  );
  const file = join(submission!, `${set.name.replace(/\..*$/, '')}.csv`);
  writeOutput(file, `${[predictionsHeading, ...rows].join('\n')}\n`, predictionsFile);
  return file;
}
