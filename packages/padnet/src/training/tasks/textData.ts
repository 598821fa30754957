/** The texts that a recipe names. */
import {
  glueDefinition,
  glueTasks,
  holdOutTexts,
  limitTexts,
  loadGlue,
  loadOwnTexts,
  ownSubmission,
  ownTextDefinition,
  tokenise,
  type DataSplit,
  type OwnTextsOptions,
  type TextDataset,
  type TextDefinition,
  type TextMetric,
  type TextTokenizer,
  type Truncation,
} from '../../data/index.js';
import type { GlueDataOptions, OwnTextDataOptions, TextDataOptions } from '../../recipe/recipe.js';
import type { SplitOptions } from '../../runs/splitFile.js';
import { neededPath } from './neededPath.js';
import type { TextSplits } from './textTask.js';

export interface TextSets {
  readonly definition: TextDefinition;
  /** How the rows were divided, where the files do not say what is tested on; null: they do. */
  readonly split: DataSplit | null;
  readonly train: TextDataset;
  /** Training texts that are held out; absent: none. */
  readonly validation?: TextDataset | undefined;
  /** The development set. */
  readonly test: TextDataset;
  readonly testMismatched: TextDataset | null;
  /** Without labels, to hand in; null where the file is not there. */
  readonly submission: TextDataset | null;
  readonly submissionMismatched: TextDataset | null;
}

/** Every seed has the same rows: seeds differ in training alone. */
const sampleSeed = 1;

export type LoadTextsOptions = SplitOptions;

/** @throws InputError where files are missing or damaged, naming file and line */
export function loadTexts(data: TextDataOptions, { split, onDividedAnew }: LoadTextsOptions = {}): TextSets {
  const sets = data.name === 'glue' ? glueSets(data) : ownSets(data, split);
  if (!split && sets.split) onDividedAnew?.();
  const limited = (set: TextDataset, count: number | undefined): TextDataset =>
    count === undefined ? set : limitTexts(set, count, sampleSeed);
  const { trainLimit, testLimit, validation } = data;
  const train = limited(sets.train, trainLimit);
  return {
    ...sets,
    ...(validation ? holdOutTexts(train, validation) : { train }),
    test: limited(sets.test, testLimit),
    testMismatched: sets.testMismatched && limited(sets.testMismatched, testLimit),
  };
}

function glueSets({ name, task, path }: GlueDataOptions): TextSets {
  const { train, dev, devMismatched, test, testMismatched } = loadGlue({ task, path: neededPath(name, path) });
  return {
    definition: glueDefinition(task),
    split: null,
    train,
    test: dev,
    testMismatched: devMismatched,
    submission: test,
    submissionMismatched: testMismatched,
  };
}

function ownSets(data: OwnTextDataOptions, split: DataSplit | undefined): TextSets {
  const sets = loadOwnTexts({ ...ownOptions(data), split });
  return { ...sets, testMismatched: null, submission: null, submissionMismatched: null };
}

function ownOptions({ metric, ...data }: OwnTextDataOptions): OwnTextsOptions {
  return { ...data, metrics: [metric].flat() };
}

/** Texts to hand in answers for, of files of one's own: see `ownSubmission`. */
export function loadOwnSubmission(data: OwnTextDataOptions, definition: TextDefinition): TextDataset | null {
  return ownSubmission(ownOptions(data), definition);
}

/**
 * The meaning of its texts. For files of one's own whose classes are not listed, the training file is read.
 *
 * @throws InputError as `loadTexts`
 */
export function textDefinition(data: TextDataOptions): TextDefinition {
  return data.name === 'glue' ? glueDefinition(data.task) : ownTextDefinition(ownOptions(data));
}

/** The metrics that a network for these texts will be scored by; the score is their mean. */
export function textMetrics(data: TextDataOptions): readonly TextMetric[] {
  return data.name === 'glue' ? glueTasks[data.task].metrics : [data.metric].flat();
}

export function tokeniseTexts(
  { train, validation, test, testMismatched }: TextSets,
  tokenizer: TextTokenizer,
  options: { readonly maxLength: number; readonly onTruncate?: ((truncation: Truncation) => void) | undefined },
): TextSplits {
  return {
    train: tokenise(train, tokenizer, options),
    validation: validation && tokenise(validation, tokenizer, options),
    test: tokenise(test, tokenizer, options),
    testMismatched: testMismatched && tokenise(testMismatched, tokenizer, options),
  };
}
