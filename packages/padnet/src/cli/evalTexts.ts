/** `padnet eval` of a run on GLUE: every metric, accuracy by class, and predictions to hand in. */
import type { TextDataset } from '../data/index.js';
import { InputError } from '../errors.js';
import { formatSeconds } from '../report/format.js';
import { formatScore, metricName } from '../report/scoreText.js';
import type { TextModel, TextRecipe, TextSets } from '../training/index.js';
import { classAccuracies, classTable } from './classTable.js';
import type { Terminal } from './terminal.js';
import { truncationRemark } from './truncation.js';

export interface TextEvaluation {
  readonly run: string;
  readonly recipe: TextRecipe;
  readonly model: TextModel;
  /** Folder of the files to hand in; null: none are written. */
  readonly submission: string | null;
  readonly json: boolean;
}

export async function evaluateTexts(options: TextEvaluation, terminal: Terminal): Promise<void> {
  const { run, recipe, model, submission, json } = options;
  const { holdFolder, loadTexts, savedTask } = await import('../training/index.js');
  const sets = loadTexts(recipe.data);
  // What is missing is said before anything is computed.
  const submitted = submission === null ? [] : await submissionSets(sets, options);
  const remark = truncationRemark(terminal);
  const task = await savedTask(recipe, model, {
    // The task has the training set too, which is not looked at.
    onTruncate: (truncation) => {
      if (truncation.name !== sets.train.name) remark(truncation);
    },
  });
  const start = performance.now();
  const { metric, score, metrics, loss, predictions } = await task.evaluate({ signal: terminal.closed });
  const seconds = (performance.now() - start) / 1000;
  const { classNames, labels, length } = sets.test;
  const classes = classNames && labels && classAccuracies(classNames, labels, predictions);
  const files: string[] = [];
  if (submission !== null) {
    using _hold = await holdFolder(submission);
    for (const set of submitted) files.push(await writePredictions(set, options, terminal));
  }
  if (json) {
    terminal.printJson({
      run,
      task: recipe.data.task,
      metric,
      score,
      metrics,
      loss,
      sentences: length,
      sentencesPerSecond: length / seconds,
      seconds,
      classes: classes?.map(({ name, samples, accuracy }) => ({ name, sentences: samples, accuracy })) ?? null,
      ...(submission !== null && { submission: files }),
    });
    return;
  }
  const values = Object.entries(metrics).map(([name, value]) => `${metricName(name)} ${formatScore(name, value)}`);
  const mean = metric.includes('/') ? `, mean ${formatScore(metric, score)}` : '';
  terminal.print(
    [
      `test ${values.join(', ')}${mean}, loss ${loss.toFixed(4)}`,
      `${length} sentences of ${sets.test.name} in ${formatSeconds(seconds)}, ${Math.round(length / seconds)} a second`,
      ...(classes ? ['', classTable(classes, 'sentences')] : []),
      ...(files.length > 0 ? ['', `to hand in: ${files.join(', ')}`] : []),
    ].join('\n'),
  );
}

interface SubmissionSet {
  readonly set: TextDataset;
  readonly mismatched: boolean;
}

/** @throws InputError where the task's test file is not there */
async function submissionSets(
  { submission, submissionMismatched }: TextSets,
  { recipe: { data } }: TextEvaluation,
): Promise<SubmissionSet[]> {
  if (!submission) {
    const { glueTasks } = await import('../data/index.js');
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

/** @returns the file's path */
async function writePredictions(
  { set, mismatched }: SubmissionSet,
  { model, recipe, submission }: TextEvaluation,
  terminal: Terminal,
): Promise<string> {
  const [{ tokenise, writeSubmission }, { predictedLabels, predictTexts }] = await Promise.all([
    import('../data/index.js'),
    import('../training/index.js'),
  ]);
  const { maxLength } = model.description;
  const tokenised = tokenise(set, model.tokenizer, { maxLength, onTruncate: truncationRemark(terminal) });
  const predictions = await predictTexts(model.network, tokenised, { signal: terminal.closed });
  const labels = predictedLabels(predictions, set.classNames !== null);
  return writeSubmission(submission!, recipe.data.task, labels, { indices: set.indices, mismatched });
}
