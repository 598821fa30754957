/**
 * The nine tasks of GLUE (Wang et al., "GLUE: A Multi-Task Benchmark and Analysis Platform for Natural Language
 * Understanding", ICLR 2019) as their original files lay them out.
 */

import type { TextMetric } from './metrics.js';
import type { TextDefinition } from './textDefinition.js';

export interface GlueTask {
  /** Folder of the task's files. */
  readonly folder: string;
  /** Names of all columns, in order, where train and dev files have no header line; null: the first line names them. */
  readonly headerless: readonly string[] | null;
  readonly first: string;
  /** Null: single sentences. */
  readonly second: string | null;
  readonly label: string;
  /** Column of the test file that names its examples. */
  readonly index: string;
  /** The label that files and submissions write for each class, by class index; null: a score from 0 to 5. */
  readonly labels: readonly string[] | null;
  /** The meaning of each class, by class index. */
  readonly classNames: readonly string[] | null;
  /** The metrics in GLUE's order; the task's score is their mean. */
  readonly metrics: readonly TextMetric[];
  /** Name of the file to hand in. */
  readonly submission: string;
  /** The same for the second test set. */
  readonly mismatchedSubmission: string | null;
}

const binary = { headerless: null, second: null, index: 'index', labels: ['0', '1'], mismatchedSubmission: null };
const entailment = {
  ...binary,
  first: 'sentence1',
  second: 'sentence2',
  label: 'label',
  labels: ['entailment', 'not_entailment'],
  classNames: ['entailment', 'not_entailment'],
  metrics: ['accuracy'],
} as const;

export const glueTasks = {
  cola: {
    ...binary,
    folder: 'CoLA',
    headerless: ['source', 'label', 'mark', 'sentence'],
    first: 'sentence',
    label: 'label',
    classNames: ['unacceptable', 'acceptable'],
    metrics: ['matthews'],
    submission: 'CoLA.tsv',
  },
  sst2: {
    ...binary,
    folder: 'SST-2',
    first: 'sentence',
    label: 'label',
    classNames: ['negative', 'positive'],
    metrics: ['accuracy'],
    submission: 'SST-2.tsv',
  },
  mrpc: {
    ...binary,
    folder: 'MRPC',
    first: '#1 String',
    second: '#2 String',
    label: 'Quality',
    classNames: ['not_equivalent', 'equivalent'],
    metrics: ['f1', 'accuracy'],
    submission: 'MRPC.tsv',
  },
  stsb: {
    ...binary,
    folder: 'STS-B',
    first: 'sentence1',
    second: 'sentence2',
    label: 'score',
    labels: null,
    classNames: null,
    metrics: ['pearson', 'spearman'],
    submission: 'STS-B.tsv',
  },
  qqp: {
    ...binary,
    folder: 'QQP',
    first: 'question1',
    second: 'question2',
    label: 'is_duplicate',
    index: 'id',
    classNames: ['not_duplicate', 'duplicate'],
    metrics: ['f1', 'accuracy'],
    submission: 'QQP.tsv',
  },
  mnli: {
    ...entailment,
    folder: 'MNLI',
    label: 'gold_label',
    labels: ['entailment', 'neutral', 'contradiction'],
    classNames: ['entailment', 'neutral', 'contradiction'],
    submission: 'MNLI-m.tsv',
    mismatchedSubmission: 'MNLI-mm.tsv',
  },
  qnli: { ...entailment, folder: 'QNLI', first: 'question', second: 'sentence', submission: 'QNLI.tsv' },
  rte: { ...entailment, folder: 'RTE', submission: 'RTE.tsv' },
  wnli: {
    ...entailment,
    folder: 'WNLI',
    labels: ['0', '1'],
    classNames: ['not_entailment', 'entailment'],
    submission: 'WNLI.tsv',
  },
} as const satisfies Record<string, GlueTask>;

/** A task as recipes write it. */
export type GlueTaskName = keyof typeof glueTasks;

export const glueTaskNames = Object.keys(glueTasks) as readonly GlueTaskName[];

/** The meaning of the rows of a task's files. */
export function glueDefinition(name: GlueTaskName): TextDefinition {
  const { first, second, label, labels, classNames, metrics }: GlueTask = glueTasks[name];
  return { columns: { first, second, label }, labels, classNames, range: labels ? null : [0, 5], metrics };
}
