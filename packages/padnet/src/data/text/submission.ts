import { join } from 'node:path';

import { InputError } from '../../errors.js';
import { type FileKind, writeOutput } from '../../outputFile.js';
import { type GlueTask, type GlueTaskName, glueTasks } from './glueTasks.js';

export interface SubmissionOptions {
  /** The name that the test file gives each example (`TextDataset.indices`). @default 0, 1, … */
  readonly indices?: readonly string[] | undefined;
  /** MNLI's second test set. @default false */
  readonly mismatched?: boolean | undefined;
}

const heading = 'index\tprediction\n';

/** The kind of file that is handed in to GLUE. */
const submissionFile: FileKind = { name: 'submission to GLUE', isOne: (beginning) => beginning.startsWith(heading) };

/**
 * Writes predictions in the form that https://gluebenchmark.com takes, under the name that it wants (`RTE.tsv`): a line
 * for each example with its index and the label as the task's files write it; scores clipped to 0 … 5, three decimals.
 *
 * @param predictions class indices, or scores for STS-B, in the order of the test file
 * @returns path of the file
 * @throws InputError if a prediction is no class index of the task, or no number, or if there is a file of another kind
 */
export function writeSubmission(
  folder: string,
  name: GlueTaskName,
  predictions: ArrayLike<number>,
  { indices, mismatched = false }: SubmissionOptions = {},
): string {
  const task: GlueTask = glueTasks[name];
  const fileName = mismatched ? task.mismatchedSubmission : task.submission;
  if (fileName === null) throw new InputError(`${name} has no mismatched test set; only mnli has`);
  if (indices && indices.length !== predictions.length) {
    throw new InputError(
      `${name}: expected a prediction for each of ${indices.length} examples, got ${predictions.length}`,
    );
  }
  const lines = Array.from(predictions, (prediction, row) => {
    const label = task.labels ? task.labels[prediction] : formatScore(prediction);
    if (label === undefined) {
      const expected = task.labels ? `a class index below ${task.labels.length}` : 'a number';
      throw new InputError(`${name}: prediction ${row} is ${prediction}, expected ${expected}`);
    }
    return `${indices?.[row] ?? row}\t${label}\n`;
  });
  const file = join(folder, fileName);
  writeOutput(file, `${heading}${lines.join('')}`, submissionFile);
  return file;
}

function formatScore(score: number): string | undefined {
  return !Number.isFinite(score) ? undefined : Math.min(Math.max(score, 0), 5).toFixed(3);
}
