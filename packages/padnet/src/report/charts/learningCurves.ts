/** Test scores and losses by epoch, one colour a run, named where the line ends. */
import { scoreAxis, scoreTitle } from '../comparisonMetrics.js';
import { formatLoss } from '../format.js';
import type { Html } from '../html.js';
import type { EpochPoint, RunSummary } from '../../analysis/runSummary.js';
import { formatScore, metricName } from '../scoreText.js';
import { lineChart, type Line } from './lineChart.js';
import { shorten } from './plotSvg.js';
import { runColours } from './runColours.js';

export function scoreChart(runs: readonly RunSummary[]): Html {
  const colours = runColours(runs);
  const lines = runs.map((run, index): Line => {
    const value = formatScore(run.metric, run.curve.at(-1)?.score ?? null, 1);
    return line(run, colours[index]!, ({ score }) => (score === null ? NaN : 100 * score), {
      label: `${shorten(run.name, 14)} ${value}`,
      title: `${run.name}: test ${metricName(run.metric)}, ${value} at the end`,
    });
  });
  return lineChart(lines, { name: `${scoreTitle(runs)} by epoch`, axis: scoreAxis(runs), from: 1, most: 100 });
}

export function lossChart(runs: readonly RunSummary[]): Html {
  const colours = runColours(runs);
  const lines = runs.flatMap((run, index): Line[] => [
    line(run, colours[index]!, ({ trainLoss }) => trainLoss, { dashed: true, title: `${run.name}: training loss` }),
    line(run, colours[index]!, ({ testLoss }) => testLoss, {
      label: `${shorten(run.name, 14)} ${formatLoss(run.curve.at(-1)?.testLoss ?? null)}`,
      title: `${run.name}: test loss`,
    }),
  ]);
  const axis = '↑ loss: test (solid), training (dashed)';
  return lineChart(lines, { name: 'Loss by epoch', axis, from: 1, mostRatio: 20 });
}

function line(
  run: RunSummary,
  colour: string,
  value: (point: EpochPoint) => number,
  { dashed = false, label = null, title }: { dashed?: boolean; label?: string | null; title: string },
): Line {
  return {
    points: run.curve
      .map((point) => ({ epoch: point.epoch, value: value(point) }))
      .filter((point) => Number.isFinite(point.value)),
    colour,
    dashed,
    label,
    title,
    marked: dashed || run.partitionEpoch === null ? null : Math.ceil(run.partitionEpoch),
  };
}
