/**
 * Metrics of predictions against labels: pure functions, 1 is best, fractions but for the correlations, which reach
 * from −1 to 1. Each gives a number for every set of finite numbers: 0 where it is undefined, as where all predictions
 * are alike.
 *
 * @throws NonFiniteError where a prediction or a label is no finite number, which no metric can make a score of
 */
import { NonFiniteError } from '../../errors.js';

/** By the names that recipes use. */
export const metricNames = ['accuracy', 'f1', 'macroF1', 'matthews', 'pearson', 'spearman'] as const;
export type TextMetric = (typeof metricNames)[number];
export const numberMetrics: ReadonlySet<TextMetric> = new Set(['pearson', 'spearman']);

export type Numbers = ArrayLike<number>;

/**
 * @param what one of the values is called, such as `prediction`
 * @throws NonFiniteError naming the first that is not finite
 */
export function checkFinite(what: string, values: Numbers): void {
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) continue;
    throw new NonFiniteError(`${what} ${i + 1} of ${values.length}`, `it is ${values[i]}`);
  }
}

function check(predictions: Numbers, labels: Numbers): void {
  if (predictions.length !== labels.length || labels.length === 0) {
    throw new Error(`expected a prediction for each of ${labels.length} labels, got ${predictions.length}`);
  }
  checkFinite('prediction', predictions);
  checkFinite('label', labels);
}

/** The fraction of predicted classes that are right. */
export function accuracy(predictions: Numbers, labels: Numbers): number {
  check(predictions, labels);
  return countRight(predictions, labels) / labels.length;
}

function countRight(predictions: Numbers, labels: Numbers): number {
  let right = 0;
  for (let i = 0; i < labels.length; i++) if (predictions[i] === labels[i]) right++;
  return right;
}

/** F1 of class 1: 2·TP / (2·TP + FP + FN). */
export function f1(predictions: Numbers, labels: Numbers): number {
  check(predictions, labels);
  return f1Of(1, predictions, labels);
}

/** The mean of the F1 of every class that is a label or was predicted. */
export function macroF1(predictions: Numbers, labels: Numbers): number {
  check(predictions, labels);
  const classes = new Set([...Array.from(labels), ...Array.from(predictions)]);
  let sum = 0;
  for (const each of classes) sum += f1Of(each, predictions, labels);
  return sum / classes.size;
}

function f1Of(positive: number, predictions: Numbers, labels: Numbers): number {
  let [right, predicted, actual] = [0, 0, 0];
  for (let i = 0; i < labels.length; i++) {
    if (predictions[i] === positive) predicted++;
    if (labels[i] === positive) actual++;
    if (predictions[i] === positive && labels[i] === positive) right++;
  }
  return right === 0 ? 0 : (2 * right) / (predicted + actual);
}

/**
 * Matthews' correlation, of any number of classes (Gorodkin 2004): with s samples, c of them right, and p_k predictions
 * and t_k labels of class k, (c·s − Σ p_k·t_k) / √((s² − Σ p_k²)·(s² − Σ t_k²)).
 */
export function matthews(predictions: Numbers, labels: Numbers): number {
  check(predictions, labels);
  const [predicted, actual] = [countEach(predictions), countEach(labels)];
  const samples = labels.length;
  const dot = (a: Map<number, number>, b: Map<number, number>): number => {
    let sum = 0;
    for (const [key, count] of a) sum += count * (b.get(key) ?? 0);
    return sum;
  };
  const spread = (counts: Map<number, number>): number => samples * samples - dot(counts, counts);
  const denominator = Math.sqrt(spread(predicted) * spread(actual));
  return denominator === 0 ? 0 : (countRight(predictions, labels) * samples - dot(predicted, actual)) / denominator;
}

function countEach(values: Numbers): Map<number, number> {
  const counts = new Map<number, number>();
  for (const value of Array.from(values)) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

/** Pearson's correlation; 0 where either side is constant. */
export function pearson(predictions: Numbers, labels: Numbers): number {
  check(predictions, labels);
  const [x, y] = [deviations(predictions), deviations(labels)];
  const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  const denominator = Math.sqrt(dot(x, x)) * Math.sqrt(dot(y, y));
  // Rounding alone can lead beyond 1.
  return denominator === 0 ? 0 : Math.max(-1, Math.min(1, dot(x, y) / denominator));
}

/**
 * From the mean; all in a unit of their own, a power of two, so that no square is too large or too small for a float64.
 */
function deviations(values: Numbers): Float64Array {
  const all = Float64Array.from(values);
  // The mean of equal numbers may differ from them by a rounding, which would then correlate.
  if (all.every((value) => value === all[0])) return new Float64Array(all.length);
  const largest = all.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const scaled = all.map((value) => value / 2 ** Math.floor(Math.log2(largest)));
  const mean = scaled.reduce((sum, value) => sum + value, 0) / scaled.length;
  return scaled.map((value) => value - mean);
}

/** Ranks from 1; equal values share the mean of theirs. */
function ranks(values: Numbers): Float64Array {
  const order = Uint32Array.from({ length: values.length }, (_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const result = new Float64Array(values.length);
  for (let start = 0; start < order.length;) {
    let end = start + 1;
    while (end < order.length && values[order[end]!] === values[order[start]!]) end++;
    for (let i = start; i < end; i++) result[order[i]!] = (start + 1 + end) / 2;
    start = end;
  }
  return result;
}

/** Spearman's correlation: Pearson's of the ranks. */
export function spearman(predictions: Numbers, labels: Numbers): number {
  check(predictions, labels);
  return pearson(ranks(predictions), ranks(labels));
}

/** The metrics, by the names that recipes use. */
export const metrics = { accuracy, f1, macroF1, matthews, pearson, spearman } satisfies Record<TextMetric, unknown>;
