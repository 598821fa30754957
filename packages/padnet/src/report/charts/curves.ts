/** Scores, losses and what routers decide over epochs, one colour a run, named where the line ends. */
import type { RunSummary } from '../../analysis/runSummary.js';
import { curveAxis, curveName, curveTitle, scoredOn } from '../comparisonMetrics.js';
import { formatLoss } from '../format.js';
import { html, type Html } from '../html.js';
import { formatScore } from '../scoreText.js';
import { lineChart, type Line } from './lineChart.js';
import { shorten } from './plotSvg.js';
import { runColours } from './runColours.js';

export function scoreChart(runs: readonly RunSummary[]): Html {
  const epochs = runs.flatMap(({ curve }) => curve);
  if (epochs.length > 0 && epochs.every(({ score }) => score === null))
    return html`<p class="empty">
      Epochs have no score: no training samples were held out (<code>data.validation.fraction</code>).
    </p>`;
  const lines = linesOf(runs, (run) => {
    const value = formatScore(run.metric, run.curve.at(-1)?.score ?? null, 1);
    return {
      points: run.curve.map(({ epoch, score }) => ({ epoch, value: score === null ? NaN : 100 * score })),
      label: value,
      title: `${curveName([run])}, ${value} at the end`,
    };
  });
  return lineChart(lines, { name: `${curveTitle(runs)} by epoch`, axis: curveAxis(runs), from: 1, most: 100 });
}

export function lossChart(runs: readonly RunSummary[]): Html {
  const isScored = ({ curve }: RunSummary): boolean => curve.some(({ loss }) => loss !== null);
  const training = linesOf(runs, (run) => ({
    points: run.curve.map(({ epoch, trainLoss }) => ({ epoch, value: trainLoss })),
    label: isScored(run) ? null : formatLoss(run.curve.at(-1)?.trainLoss ?? null),
    title: 'training loss',
  }));
  const scored = linesOf(runs, ({ curve }) => ({
    points: curve.map(({ epoch, loss }) => ({ epoch, value: loss ?? NaN })),
    label: formatLoss(curve.at(-1)?.loss ?? null),
    title: `${scoredOn(runs)} loss`,
  }));
  const solid = runs.filter(isScored).length;
  const axis =
    solid === 0
      ? '↑ training loss'
      : `↑ loss: ${scoredOn(runs)} (solid), training (${solid === runs.length ? 'dashed' : 'dashed, or alone'})`;
  return lineChart([...training, ...scored], { name: 'Loss by epoch', axis, from: 1, mostRatio: 20 });
}

export const entropyNames = {
  gateEntropy: 'Entropy of a token’s gates',
  loadEntropy: 'Entropy of the experts’ load',
} as const;

/**
 * How decidedly, and how evenly, mixtures of experts route while they are trained: the normalised entropy of the gates
 * of single tokens, or of the experts' shares of all tokens. Runs that route nothing are left out.
 */
export function routerEntropyChart(runs: readonly RunSummary[], key: keyof typeof entropyNames): Html {
  const lines = linesOf(runs, ({ routing }) => {
    const last = routing.at(-1)?.[key].toFixed(2) ?? '';
    const points = routing.map((point) => ({ epoch: point.epoch, value: point[key] }));
    return { points, label: last, title: `${last} at the end` };
  });
  return lineChart(lines, {
    name: `${entropyNames[key]} during training`,
    axis: '↑ 1: even, 0: one takes all',
    from: 0,
    most: 1,
    leastSpan: 0.1,
  });
}

/** @param describe what a run's line is; without a label it is dashed */
function linesOf(
  runs: readonly RunSummary[],
  describe: (run: RunSummary) => Pick<Line, 'points' | 'label' | 'title'>,
): Line[] {
  const colours = runColours(runs);
  return runs.map((run, index) => {
    const { points, label, title } = describe(run);
    const { name, partitionEpoch } = run;
    const finite = points.filter(({ value }) => Number.isFinite(value));
    return {
      points: finite,
      colour: colours[index]!,
      dashed: label === null,
      label: label && `${shorten(name, 14)} ${label}`,
      title: `${name}: ${title}`,
      marked:
        label === null || partitionEpoch === null
          ? null
          : (finite.find(({ epoch }) => epoch >= partitionEpoch)?.epoch ?? null),
    };
  });
}
