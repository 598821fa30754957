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
import { holdFolder, RunFolder, splitOfRun, type TextModel } from '../runs/index.js';
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
import { csvLine } from './csv.js';
import type { EvalQuestion, Scored } from './modality.js';
import { answerAboutTexts } from './predictTexts.js';
import { remarksOn } from './remarks.js';
import { definitionOf, tableOptions, textColumns, textsIn } from './textInputs.js';

type TextQuestion = EvalQuestion<TextModel>;

/** On the test data of a recipe. @param folder of the recipe, whose run may have divided its rows */
export async function evaluateTexts(question: TextQuestion, recipe: TextRecipe, folder: string): Promise<Scored> {
  const { model, submission, terminal } = question;
  const { onText, onRemark } = remarksOn(terminal);
  const division = splitOfRun(new RunFolder(folder), onText);
  const sets = loadTexts(recipe.data, division);
  // A missing file is told of before anything is computed.
  const submitted = submission === undefined ? [] : submissionSets(sets, recipe);
  const task = await savedTask(recipe, model, {
    split: division.split,
    // The task has the training set too, which is not looked at.
    onRemark: (event) => {
      if (event.type === 'truncated' && event.name !== sets.train.name) onRemark(event);
    },
  });
  const scored = await score(model, sets.test, () => task.evaluate({ signal: terminal.closed }));
  if (submission === undefined) return scored;
  using _hold = await holdFolder(submission);
  const files: string[] = [];
  for (const set of submitted) files.push(await writePredictions(set, recipe, submission, question));
  return { ...scored, files };
}

/** On a file of other texts: scored where it has labels, else predicted. */
export async function evaluateTextFile(question: TextQuestion, file: string): Promise<Scored | null> {
  const { run, model, json, terminal } = question;
  const definition = definitionOf(run, model);
  const table = readOwnTable(file, tableOptions(run, model.description) ?? {}, textColumns(definition));
  if (!table.columns.includes(definition.columns.label)) {
    const texts = textsIn(textsOfTable(table, definition, { name: file, isLabelled: false }));
    terminal.warn(`${file} has no column ${definition.columns.label}, so its texts are predicted`);
    await answerAboutTexts({ run, model, detailed: false, format: json ? 'json' : 'table', terminal }, texts, false);
    return null;
  }
  const set = textsOfTable(table, definition, { name: basename(file), isLabelled: true });
  assertNumbersDiffer(set, file, definition);
  const { maxLength } = model.description;
  const tokenised = tokenise(set, model.tokenizer, { maxLength, onTruncate: remarksOn(terminal).onTruncate });
  return await score(model, set, () => evaluate(model.network, tokenised, definition, { signal: terminal.closed }));
}

async function score(model: TextModel, set: TextDataset, evaluated: () => Promise<Evaluation>): Promise<Scored> {
  const start = performance.now();
  const evaluation = await evaluated();
  const seconds = (performance.now() - start) / 1000;
  const { metric, score: value, metrics } = evaluation;
  const { classNames, labels, length } = set;
  return {
    evaluation,
    seconds,
    length,
    counted: `${length} sentences of ${set.name}`,
    classes: classNames && labels && { names: classNames, labels },
    json: { task: model.description.task ?? null, metric, score: value, metrics },
  };
}

interface SubmissionSet {
  readonly set: TextDataset;
  readonly mismatched: boolean;
}

/** @throws InputError where there is no test file beside what is tested on */
function submissionSets(sets: TextSets, { data }: TextRecipe): SubmissionSet[] {
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

/** Predictions for texts of one's own; the texts themselves may be in a file of the same name. */
const predictionsFile: FileKind = {
  name: 'table of predictions',
  isOne: (beginning) => beginning.startsWith(`${predictionsHeading}\n`),
};

/** @returns the file's path. @throws InputError where there is a file of another kind */
async function writePredictions(
  { set, mismatched }: SubmissionSet,
  { data }: TextRecipe,
  folder: string,
  { model, terminal }: TextQuestion,
): Promise<string> {
  const { maxLength } = model.description;
  const tokenised = tokenise(set, model.tokenizer, { maxLength, onTruncate: remarksOn(terminal).onTruncate });
  const predictions = await predict(model.network, tokenised, { signal: terminal.closed });
  const { classNames, indices } = set;
  const labels = predictedLabels(predictions, classNames !== null);
  if (data.name === 'glue') return writeSubmission(folder, data.task, labels, { indices, mismatched });
  const rows = Array.from(labels, (label, row) =>
    csvLine([indices?.[row] ?? row, classNames ? classNames[label]! : label]),
  );
  const file = join(folder, `${set.name.replace(/\..*$/, '')}.csv`);
  writeOutput(file, `${[predictionsHeading, ...rows].join('\n')}\n`, predictionsFile);
  return file;
}
