import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { InputError } from '../../errors.js';
import { glueDefinition, type GlueTask, type GlueTaskName, glueTasks } from './glueTasks.js';
import type { TextDataset } from './textDataset.js';
import { readTable, tsvFormat } from './table.js';
import { textsOfTable } from './textDefinition.js';

const WAY_OUT =
  'get GLUE at https://gluebenchmark.com/tasks and set data.path to the folder that holds CoLA/, RTE/, SST-2/ … with ' +
  'train.tsv and dev.tsv (or .tsv.gz) in each';

/** The sets of one task. */
export interface GlueData {
  readonly task: GlueTaskName;
  /** By class index; null where the task asks for a score. */
  readonly classNames: readonly string[] | null;
  readonly train: TextDataset;
  /** MNLI: the matched one. */
  readonly dev: TextDataset;
  /** MNLI's second dev set, where its file is there. */
  readonly devMismatched: TextDataset | null;
  /** Without labels; null where the file is not there. */
  readonly test: TextDataset | null;
  /** MNLI's second test set, where its file is there. */
  readonly testMismatched: TextDataset | null;
}

/** `<name>.tsv` or `<name>.tsv.gz` of the first name that exists. */
function findFile(folder: string, names: readonly string[]): string | undefined {
  return names
    .flatMap((name) => [`${name}.tsv`, `${name}.tsv.gz`])
    .map((name) => join(folder, name))
    .find((file) => existsSync(file));
}

function requireFile(folder: string, names: readonly string[]): string {
  const file = findFile(folder, names);
  if (file !== undefined) return file;
  const found = existsSync(folder) ? 'it is not there' : 'there is no such folder';
  throw new InputError(
    `${folder}: expected ${names.map((name) => `${name}.tsv[.gz]`).join(' or ')}, ${found}; ${WAY_OUT}`,
  );
}

function readSplit(name: GlueTaskName, split: string, file: string): TextDataset {
  const { folder, headerless, index }: GlueTask = glueTasks[name];
  const isTest = split.startsWith('test');
  const table = readTable(file, tsvFormat, isTest ? null : headerless);
  return textsOfTable(table, glueDefinition(name), {
    name: `${folder}/${split}`,
    isLabelled: !isTest,
    allowsEmpty: true,
    ...(isTest && { index }),
  });
}

/**
 * Reads the files of a task from `<path>/<its folder>`, plain ones before gzipped ones: `train`, `dev` (MNLI:
 * `dev_matched` or `dev`, and `dev_mismatched` where it is there) and, where it is there, `test`.
 *
 * @throws InputError if a file is missing or damaged, or a line has a wrong column or label; it names file and line
 */
export function loadGlue({ task: name, path }: { task: GlueTaskName; path: string }): GlueData {
  const task: GlueTask = glueTasks[name];
  const folder = join(path, task.folder);
  const hasMismatched = task.mismatchedSubmission !== null;
  const required = (split: string, files: readonly string[]): TextDataset =>
    readSplit(name, split, requireFile(folder, files));
  const optional = (split: string, files: readonly string[]): TextDataset | null => {
    const file = findFile(folder, files);
    return file === undefined ? null : readSplit(name, split, file);
  };
  return {
    task: name,
    classNames: task.classNames,
    train: required('train', ['train']),
    dev: required('dev', hasMismatched ? ['dev_matched', 'dev'] : ['dev']),
    devMismatched: hasMismatched ? optional('dev_mismatched', ['dev_mismatched']) : null,
    test: optional('test', hasMismatched ? ['test_matched', 'test'] : ['test']),
    testMismatched: hasMismatched ? optional('test_mismatched', ['test_mismatched']) : null,
  };
}
