/** The score of a constant answer to a task of GLUE: the least that a network has to beat. */
import { type GlueTaskName, textScore } from '../data/index.js';
import type { GlueRecipe } from '../recipe/index.js';
import { mean } from '../statistics.js';
import { loadTexts } from '../training/index.js';

export interface MajorityScore {
  readonly task: GlueTaskName;
  /** The most frequent class of the training set, by name; of scores their mean. */
  readonly answer: string;
  readonly score: number;
  readonly metrics: Readonly<Record<string, number>>;
}

/** The score of always the same answer. @throws InputError where data are missing or damaged, naming file and line */
export function majorityScore({ data }: Pick<GlueRecipe, 'data'>): MajorityScore {
  const { train, test, definition } = loadTexts(data);
  const { classNames } = train;
  const constant = classNames ? mostFrequent(train.labels!) : mean(train.labels!);
  return {
    task: data.task,
    answer: classNames ? classNames[constant]! : constant.toFixed(2),
    ...textScore(definition.metrics, new Float32Array(test.length).fill(constant), test.labels!),
  };
}

/** The first of those that are equally frequent. */
function mostFrequent(labels: Float32Array): number {
  const counts: number[] = [];
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  return counts.reduce((best, count, label) => (count > (counts[best] ?? 0) ? label : best), 0);
}
