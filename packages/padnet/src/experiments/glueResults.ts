/** What the runs of GLUE's table gave, and what a constant answer would: all that the table is made of. */
import { readSync } from 'node:fs';
import { type GlueTaskName, glueTasks, type TextDataset, textScore } from '../data/index.js';
import type { GlueCell } from '../experiments/index.js';
import type { GlueRecipe, TextRecipe } from '../recipe/index.js';
import type { RunFolder } from '../runs/index.js';
import { loadTexts } from '../training/index.js';
import { InputError } from '../errors.js';
import { openRegularFile, readProblem } from '../readRegularFile.js';
import { mean } from '../statistics.js';
import { readFinishedRun, type FinishedRun } from './finishedRun.js';

/** A cell of the table that has been trained. */
export interface GlueRun extends GlueCell, FinishedRun {
  /** Trained numbers in the compact form. */
  readonly parameters: number;
  readonly recipe: TextRecipe;
}

/** @throws InputError where the run has not finished, or a file of it is damaged */
export function readGlueRun(folder: RunFolder, cell: GlueCell): GlueRun {
  const { recipe, ...run } = readFinishedRun(folder);
  if (recipe.modality !== 'text') throw new InputError(`${folder.path} has no run on texts`);
  return { ...cell, ...run, parameters: storedNumbers(folder.modelWeights), recipe };
}

/**
 * As `countStored` counts an encoder, from the names and shapes at the head of the file alone: what is no mask is trained.
 */
export function storedNumbers(safetensors: string): number {
  const header = readHeader(safetensors);
  return Object.entries(header)
    .filter(([name, { dtype }]) => name !== '__metadata__' && dtype?.startsWith('F'))
    .reduce((sum, [, { shape = [] }]) => sum + shape.reduce((product, size) => product * size, 1), 0);
}

function readHeader(safetensors: string): Record<string, SafetensorsEntry> {
  try {
    using file = openRegularFile(safetensors);
    const read = (position: number, length: number): Buffer => {
      if (position + length > file.size) throw new Error('it is cut off');
      const bytes = Buffer.alloc(length);
      readSync(file.descriptor, bytes, 0, length, position);
      return bytes;
    };
    const headerLength = Number(read(0, 8).readBigUInt64LE());
    return JSON.parse(read(8, headerLength).toString('utf8')) as Record<string, SafetensorsEntry>;
  } catch (cause) {
    throw new InputError(`${safetensors}: expected weights, but ${readProblem(safetensors, cause)}`, { cause });
  }
}

interface SafetensorsEntry {
  readonly dtype?: string;
  readonly shape?: readonly number[];
}

export interface MajorityScore {
  readonly task: GlueTaskName;
  /** The most frequent class of the training set, by name; of scores their mean. */
  readonly answer: string;
  readonly score: number;
  readonly metrics: Readonly<Record<string, number>>;
}

/** What always the same answer scores. @throws InputError where data are missing or damaged, naming file and line */
export function majorityScore({ data }: Pick<GlueRecipe, 'data'>): MajorityScore {
  const { train, test, definition } = loadTexts(data);
  const { classNames } = train;
  const constant = classNames ? mostFrequent(train.labels!) : mean(train.labels!);
  return {
    task: data.task,
    answer: classNames ? classNames[constant]! : constant.toFixed(2),
    ...textScore(definition.metrics, constantAnswers(test, constant), test.labels!),
  };
}

function constantAnswers({ length }: TextDataset, answer: number): Float32Array {
  return new Float32Array(length).fill(answer);
}

/** The first of those that are equally frequent. */
function mostFrequent(labels: Float32Array): number {
  const counts: number[] = [];
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  return counts.reduce((best, count, label) => (count > (counts[best] ?? 0) ? label : best), 0);
}

const metricAbbreviations: Readonly<Record<string, string>> = {
  matthews: 'Mcc',
  accuracy: 'Acc',
  f1: 'F1',
  pearson: 'P',
  spearman: 'S',
};

/** As GLUE's tables head a task: `RTE Acc`, `MRPC (F1+Acc)/2`. */
export function glueHeading(task: GlueTaskName): readonly [name: string, metrics: string] {
  const { folder, metrics } = glueTasks[task];
  const short = metrics.map((name) => metricAbbreviations[name] ?? name);
  return [folder, short.length === 1 ? short[0]! : `(${short.join('+')})/${short.length}`];
}
