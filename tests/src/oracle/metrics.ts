/** `metrics.json`: GLUE's metrics. */
import { metrics } from 'padnet/data';
import { type TextMetric } from 'padnet/data';

type GlueMetric = Exclude<TextMetric, 'macroF1'>;
import { readFixture, type Comparison } from './fixtures.js';

interface MetricsCase extends Readonly<Record<GlueMetric, number>> {
  readonly targets: readonly number[];
  readonly predictions: readonly number[];
  readonly scores_true: readonly number[];
  readonly scores_pred: readonly number[];
}

export function verifyMetrics(): Comparison[] {
  return readFixture<MetricsCase[]>('metrics.json').flatMap((oracle, index) => {
    const { targets, predictions, scores_true: scores, scores_pred: predictedScores } = oracle;
    const ours: Record<GlueMetric, number> = {
      accuracy: metrics.accuracy(predictions, targets),
      f1: metrics.f1(predictions, targets),
      matthews: metrics.matthews(predictions, targets),
      pearson: metrics.pearson(predictedScores, scores),
      spearman: metrics.spearman(predictedScores, scores),
    };
    return (Object.keys(ours) as GlueMetric[]).map((quantity) => ({
      file: 'metrics.json',
      case: String(index),
      dtype: 'float64',
      quantity,
      error: Math.abs(ours[quantity] - oracle[quantity]),
      bound: 1e-9,
    }));
  });
}
