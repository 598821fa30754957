/** Test scores and losses by epoch, one colour a run, named where the line ends. */
import * as Plot from '@observablehq/plot';
import { scoreAxis, scoreTitle } from '../comparisonMetrics.js';
import { formatLoss } from '../format.js';
import { html, type Html } from '../html.js';
import type { EpochPoint, RunSummary } from '../runSummary.js';
import { formatScore, metricName } from '../scoreText.js';
import { plotSvg, shorten } from './plotSvg.js';
import { runColours } from './runColours.js';
import { spreadLabels } from './spreadLabels.js';

interface Line {
  readonly points: readonly { readonly epoch: number; readonly value: number }[];
  readonly colour: string;
  readonly dashed: boolean;
  /** Shown at the end of the line; null: none. */
  readonly label: string | null;
  readonly title: string;
  /** Epoch at which the masks were set; null: none. */
  readonly marked: number | null;
}

const size = { width: 460, height: 300, marginTop: 28, marginBottom: 42, marginLeft: 46 };

export function scoreChart(runs: readonly RunSummary[]): Html {
  const colours = runColours(runs);
  const lines = runs.map((run, index): Line => {
    const value = formatScore(run.metric, run.curve.at(-1)?.score ?? null, 1);
    return line(run, colours[index]!, ({ score }) => 100 * score, {
      label: `${shorten(run.name, 14)} ${value}`,
      title: `${run.name}: test ${metricName(run.metric)}, ${value} at the end`,
    });
  });
  return lineChart(lines, `${scoreTitle(runs)} by epoch`, scoreAxis(runs), 100);
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
  return lineChart(lines, 'Loss by epoch', '↑ loss: test (solid), training (dashed)', Infinity);
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
    marked: dashed ? null : run.partitionEpoch,
  };
}

function lineChart(lines: readonly Line[], name: string, axis: string, most: number): Html {
  const points = lines.flatMap((each) => each.points);
  if (points.length === 0) return html`<p class="empty">No epoch has been completed yet.</p>`;
  const values = points.map(({ value }) => value);
  const margin = 0.06 * (Math.max(...values) - Math.min(...values) || 1);
  const least = Math.min(...values);
  // Correlations can be below 0.
  const [low, high] = [
    least < 0 ? least - margin : Math.max(0, least - margin),
    Math.min(most, Math.max(...values) + margin),
  ];
  const epochs = Math.max(...points.map(({ epoch }) => epoch));
  const plotHeight = size.height - size.marginTop - size.marginBottom;
  const toPixels = (value: number): number => ((high - value) / (high - low)) * plotHeight;
  const labelled = lines.filter((each) => each.label !== null && each.points.length > 0);
  const spread = spreadLabels(
    labelled.map((each) => toPixels(each.points.at(-1)!.value)),
    15,
    0,
    plotHeight,
  );
  const longest = Math.max(...labelled.map(({ label }) => label!.length));
  const ends = labelled.map(({ label }) => label).join(', ');
  return plotSvg(`${name}; at the end: ${ends}`, {
    ...size,
    marginRight: 16 + 7.4 * longest,
    x: {
      domain: epochs === 1 ? [0, 2] : [1, epochs],
      label: 'epoch',
      labelArrow: 'none',
      ticks: epochTicks(epochs),
      tickFormat: 'd',
    },
    y: { domain: [low, high], ticks: 5, tickSize: 0, label: null },
    marks: [
      Plot.gridY({ ticks: 5, stroke: 'var(--rule)', strokeOpacity: 1 }),
      Plot.text([axis], { frameAnchor: 'top-left', dx: -size.marginLeft, dy: -24, fill: 'var(--muted)' }),
      ...lines.map(({ points: own, colour, dashed, title }) => [
        Plot.line(own, {
          x: 'epoch',
          y: 'value',
          stroke: colour,
          strokeWidth: dashed ? 1.25 : 2.25,
          ...(dashed ? { strokeDasharray: '3 3', strokeOpacity: 0.85 } : {}),
          title: () => title,
        }),
        dashed || own.length > 30 ? null : Plot.dot(own, { x: 'epoch', y: 'value', r: 2.25, fill: colour }),
      ]),
      ...lines.map(({ points: own, colour, marked }) =>
        Plot.dot(
          own.filter(({ epoch }) => epoch === marked),
          {
            x: 'epoch',
            y: 'value',
            r: 5.5,
            stroke: colour,
            strokeWidth: 2,
            fill: 'var(--paper)',
            title: () => 'masks set after this epoch',
          },
        ),
      ),
      ...labelled.map(({ label, points: own, colour }, index) =>
        Plot.text([label], {
          x: own.at(-1)!.epoch,
          y: high - (spread[index]! / plotHeight) * (high - low),
          dx: 9,
          textAnchor: 'start',
          fill: colour,
          fontWeight: 600,
        }),
      ),
    ],
  });
}

/** Whole epochs, about six of them, the last one included. */
function epochTicks(epochs: number): number[] {
  const step = [1, 2, 5, 10, 20, 25, 50, 100, 200, 500].find((each) => epochs / each <= 7) ?? 1000;
  const ticks = Array.from({ length: Math.floor(epochs / step) }, (_, index) => (index + 1) * step);
  return step === 1 || epochs === 1 ? ticks : [1, ...ticks];
}
