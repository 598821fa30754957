/**
 * How scores are called and written: accuracy and F1 in percent, correlations times 100, as GLUE's tables have them.
 */
import { formatPercent, unknown } from './format.js';

const names: Readonly<Record<string, string>> = {
  f1: 'F1',
  matthews: 'Matthews correlation',
  pearson: 'Pearson',
  spearman: 'Spearman',
  mismatchedAccuracy: 'mismatched accuracy',
};

const fractions: ReadonlySet<string> = new Set(['accuracy', 'f1', 'mismatchedAccuracy']);

/** @param metric a name, or several with `/` between, such as `f1/accuracy` */
export function metricName(metric: string): string {
  return metric
    .split('/')
    .map((name) => names[name] ?? name)
    .join('/');
}

/** Whether a score is a fraction of something; else it is a correlation, which can be below 0. */
export function isFraction(metric: string): boolean {
  return metric.split('/').every((name) => fractions.has(name));
}

/** `91.23 %`, or of a correlation `45.12`. */
export function formatScore(metric: string, score: number | null, digits = 2): string {
  if (score === null) return unknown;
  return isFraction(metric) ? formatPercent(score, digits) : (100 * score).toFixed(digits).replace('-', '−');
}

/** Such as `F1 91.23 %, accuracy 90.00 %`. @param metrics by name */
export function metricsText(metrics: Readonly<Record<string, number>>): string {
  return Object.entries(metrics)
    .map(([name, value]) => `${metricName(name)} ${formatScore(name, value)}`)
    .join(', ');
}

/** Half the width of the 95 % interval of a fraction measured on n samples (normal approximation). */
export function accuracyInterval(accuracy: number, samples: number): number {
  return 1.96 * Math.sqrt((accuracy * (1 - accuracy)) / samples);
}
