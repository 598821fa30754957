/** GLUE's metrics, as fractions (−1 to 1 for correlations). Where one is undefined it is 0. */

export type GlueMetric = 'accuracy' | 'f1' | 'matthews' | 'pearson' | 'spearman';

type Numbers = ArrayLike<number>;

function checkLengths(predictions: Numbers, labels: Numbers): void {
  if (predictions.length !== labels.length || labels.length === 0) {
    throw new Error(`expected a prediction for each of ${labels.length} labels, got ${predictions.length}`);
  }
}

/** How often class `predicted` was answered where `actual` was right; classes other than 1 count as 0. */
function confusion(predictions: Numbers, labels: Numbers): Record<'tp' | 'tn' | 'fp' | 'fn', number> {
  const counts = { tp: 0, tn: 0, fp: 0, fn: 0 };
  for (let i = 0; i < labels.length; i++) {
    const right = (predictions[i] === 1) === (labels[i] === 1);
    counts[predictions[i] === 1 ? (right ? 'tp' : 'fp') : right ? 'tn' : 'fn']++;
  }
  return counts;
}

/** The fraction of predicted classes that are right. */
export function accuracy(predictions: Numbers, labels: Numbers): number {
  checkLengths(predictions, labels);
  let right = 0;
  for (let i = 0; i < labels.length; i++) if (predictions[i] === labels[i]) right++;
  return right / labels.length;
}

/** 2·TP / (2·TP + FP + FN) of class 1. */
export function f1(predictions: Numbers, labels: Numbers): number {
  checkLengths(predictions, labels);
  const { tp, fp, fn } = confusion(predictions, labels);
  return tp === 0 ? 0 : (2 * tp) / (2 * tp + fp + fn);
}

/** Matthews' correlation of two classes: (TP·TN − FP·FN) / √((TP+FP)(TP+FN)(TN+FP)(TN+FN)). */
export function matthews(predictions: Numbers, labels: Numbers): number {
  checkLengths(predictions, labels);
  const { tp, tn, fp, fn } = confusion(predictions, labels);
  const denominator = Math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn));
  return denominator === 0 ? 0 : (tp * tn - fp * fn) / denominator;
}

/** Pearson's correlation; 0 where either side is constant. */
export function pearson(predictions: Numbers, labels: Numbers): number {
  checkLengths(predictions, labels);
  const deviations = (values: Numbers): Float64Array => {
    const all = Float64Array.from(values);
    // The mean of equal numbers may differ from them by a rounding, which would then correlate.
    if (all.every((value) => value === all[0])) return new Float64Array(all.length);
    const mean = all.reduce((sum, value) => sum + value, 0) / all.length;
    return all.map((value) => value - mean);
  };
  const [x, y] = [deviations(predictions), deviations(labels)];
  const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  const denominator = Math.sqrt(dot(x, x)) * Math.sqrt(dot(y, y));
  return denominator === 0 ? 0 : dot(x, y) / denominator;
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
  checkLengths(predictions, labels);
  return pearson(ranks(predictions), ranks(labels));
}
