import { metrics, type TextMetric } from './metrics.js';

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
  const values = Object.fromEntries(names.map((name) => [name, metrics[name](predictions, labels)]));
  return { metrics: values, score: Object.values(values).reduce((sum, value) => sum + value, 0) / names.length };
}
