import { type GlueTaskName, glueTasks } from './glueTasks.js';
import { accuracy, f1, macroF1, matthews, pearson, spearman, type TextMetric } from './metrics.js';

const metricFunctions = { accuracy, f1, macroF1, matthews, pearson, spearman } satisfies Record<
  TextMetric,
  typeof accuracy
>;

export interface GlueScore {
  /** Of the task's metrics, in GLUE's order. */
  readonly metrics: Readonly<Partial<Record<TextMetric, number>>>;
  /** Their mean, as GLUE counts a task. */
  readonly score: number;
}

/**
 * The task's metrics of `predictions` (class indices, or scores for STS-B) against `labels`, equally many and at least
 * one of each.
 */
export function glueScore(task: GlueTaskName, predictions: ArrayLike<number>, labels: ArrayLike<number>): GlueScore {
  const names: readonly TextMetric[] = glueTasks[task].metrics;
  const metrics = Object.fromEntries(names.map((name) => [name, metricFunctions[name](predictions, labels)]));
  return { metrics, score: Object.values(metrics).reduce((sum, value) => sum + value, 0) / names.length };
}
