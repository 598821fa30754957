import { accuracy, f1, macroF1, matthews, pearson, spearman, type TextMetric } from './metrics.js';

const metricFunctions = { accuracy, f1, macroF1, matthews, pearson, spearman } satisfies Record<
  TextMetric,
  typeof accuracy
>;

export interface TextScore {
  /** In the order that was asked for. */
  readonly metrics: Readonly<Partial<Record<TextMetric, number>>>;
  /** Their mean, as GLUE counts a task. */
  readonly score: number;
}

/**
 * These metrics of `predictions` (class indices, or numbers) against `labels`, equally many and at least one of each.
 *
 * @throws NonFiniteError where one of them is no finite number
 */
export function textScore(
  names: readonly TextMetric[],
  predictions: ArrayLike<number>,
  labels: ArrayLike<number>,
): TextScore {
  const metrics = Object.fromEntries(names.map((name) => [name, metricFunctions[name](predictions, labels)]));
  return { metrics, score: Object.values(metrics).reduce((sum, value) => sum + value, 0) / names.length };
}
