/** The scores of a sweep by value: a ring for each seed, mean and deviation beside them, lines to measure them by. */
import * as Plot from '@observablehq/plot';
import type { MeanDeviation } from '../../statistics.js';
import { html, type Html } from '../html.js';
import { plotSvg, shorten } from './plotSvg.js';
import { spreadLabels } from './spreadLabels.js';

/** The points of one colour: of a grid those with one value of its second key. */
export interface SweepSeries {
  /** Null: the only one. */
  readonly name: string | null;
  readonly colour: string;
  readonly points: readonly SweepPoint[];
}

export interface SweepPoint {
  /** Of the first key. */
  readonly value: string;
  /** × 100 */
  readonly scores: readonly { readonly seed: number; readonly score: number }[];
  /** Of the scores; null where there are none. */
  readonly mean: MeanDeviation | null;
}

export interface SweepReference {
  readonly name: string;
  readonly colour: string;
  /** × 100 */
  readonly mean: MeanDeviation;
}

export interface SweepChartOptions {
  /** What it shows, for those who do not see it. */
  readonly name: string;
  /** What the scores are. */
  readonly axis: string;
  /** In the order of the sweep; those without scores keep their place. */
  readonly values: readonly string[];
  /** The value that the base has; null where it has none of them. */
  readonly baseValue: string | null;
  readonly series: readonly SweepSeries[];
  readonly references: readonly SweepReference[];
}

const size = { width: 540, height: 320, marginTop: 26 };

/** Of the axis of scores, in pixels. */
const leastMargin = 46;

/** Between the means of two series, and from the rings of a mean to it, in pixels. */
const seriesGap = 26;
const ringGap = 9;

export function sweepChart(options: SweepChartOptions): Html {
  const { name, axis, values, baseValue, series, references } = options;
  const scores = series.flatMap(({ points }) => points.flatMap((point) => point.scores.map(({ score }) => score)));
  if (scores.length === 0) return html`<p class="empty">No run of it has finished yet.</p>`;
  const [low, high] = scoreDomain(scores, references);
  const ticks = tickLayout(values, baseValue);
  const labels = references.map((reference) => referenceText(reference, low, high));
  const marginRight = 14 + 6.7 * Math.max(0, ...labels.map((label) => label.length));
  const plotHeight = size.height - size.marginTop - ticks.marginBottom;
  const places = spreadLabels(
    references.map(({ mean: { mean } }) => ((high - clamp(mean, low, high)) / (high - low)) * plotHeight),
    15,
    0,
    plotHeight,
  );
  const means = series.flatMap(({ name: own, points }) =>
    points.flatMap(({ value, mean }) => (mean ? [`${value}${own === null ? '' : `, ${own}`}: ${one(mean.mean)}`] : [])),
  );
  const near = references.filter(({ mean: { mean } }) => mean >= low && mean <= high);
  return plotSvg(`${name}: ${[...means, ...labels].join('; ')}`, {
    ...size,
    marginRight,
    marginBottom: ticks.marginBottom,
    marginLeft: ticks.marginLeft,
    x: {
      type: 'point',
      domain: values,
      padding: 0.5,
      tickSize: 0,
      tickPadding: 8,
      tickRotate: ticks.rotate,
      tickFormat: ticks.format,
      label: null,
    },
    y: { domain: [low, high], ticks: 5, tickSize: 0, label: null },
    marks: [
      Plot.gridY({ ticks: 5, stroke: 'var(--rule)', strokeOpacity: 1 }),
      Plot.text([axis], { frameAnchor: 'top-left', dx: -ticks.marginLeft, dy: -22, fill: 'var(--muted)' }),
      ...near.map(({ colour, mean: { mean, deviation } }) => [
        Plot.rect([0], {
          y1: clamp(mean - (deviation ?? 0), low, high),
          y2: clamp(mean + (deviation ?? 0), low, high),
          fill: colour,
          fillOpacity: 0.07,
        }),
        Plot.ruleY([mean], { stroke: colour, strokeWidth: 1.5, strokeDasharray: '5 4' }),
      ]),
      ...references.map(({ colour }, index) =>
        Plot.text([labels[index]!], {
          y: high - (places[index]! / plotHeight) * (high - low),
          frameAnchor: 'right',
          textAnchor: 'start',
          dx: 8,
          fill: colour,
          fontWeight: 600,
        }),
      ),
      ...series.flatMap((each, index) =>
        seriesMarks(each, {
          dx: (index - (series.length - 1) / 2) * seriesGap + ringGap / 2,
          isNumeric: values.every(isNumber),
        }),
      ),
    ],
  });
}

function seriesMarks(
  { name, colour, points }: SweepSeries,
  { dx, isNumeric }: { readonly dx: number; readonly isNumeric: boolean },
): Plot.Markish[] {
  const prefix = name === null ? '' : `${name}, `;
  const rings = points.flatMap(({ value, scores }) =>
    scores.map(({ seed, score }) => ({ value, seed, score, title: `${prefix}${value}, seed ${seed}: ${two(score)}` })),
  );
  const means = points.flatMap(({ value, mean: summary }) => {
    if (!summary) return [];
    const { mean, deviation, count } = summary;
    const spread = deviation ?? 0;
    const title = `${prefix}${value}: ${two(mean)}${deviation === null ? '' : ` ± ${two(deviation)}`}, ${count} ${count === 1 ? 'seed' : 'seeds'}`;
    return [{ value, mean, from: mean - spread, to: mean + spread, title }];
  });
  const x = 'value';
  return [
    ...[...new Set(rings.map(({ seed }) => seed))].map((seed) =>
      Plot.line(
        rings.filter((ring) => ring.seed === seed),
        { x, y: 'score', dx: dx - ringGap, stroke: colour, strokeWidth: 1, strokeOpacity: 0.25 },
      ),
    ),
    isNumeric ? Plot.line(means, { x, y: 'mean', dx, stroke: colour, strokeWidth: 2.25 }) : null,
    Plot.ruleX(means, { x, y1: 'from', y2: 'to', dx, stroke: colour, strokeWidth: 2 }),
    Plot.dot(rings, {
      x,
      y: 'score',
      dx: dx - ringGap,
      r: 3,
      fill: 'var(--paper)',
      stroke: colour,
      strokeWidth: 1.25,
      title: 'title',
    }),
    Plot.dot(means, { x, y: 'mean', dx, r: 5.5, fill: colour, title: 'title' }),
    Plot.text(means, {
      x,
      y: 'mean',
      dx: dx + 8,
      dy: -8,
      text: ({ mean }: { readonly mean: number }) => one(mean),
      textAnchor: 'start',
      fill: colour,
      fontWeight: 600,
      stroke: 'var(--paper)',
      strokeWidth: 4,
    }),
  ];
}

/** All scores with a margin, and references that are near: those far away would press all else together. */
function scoreDomain(scores: readonly number[], references: readonly SweepReference[]): [low: number, high: number] {
  const [least, largest] = [Math.min(...scores), Math.max(...scores)];
  const span = Math.max(largest - least, 2);
  const near = references
    .map(({ mean: { mean } }) => mean)
    .filter((mean) => mean > least - span && mean < largest + span);
  const margin = 0.12 * span;
  return [Math.min(least, ...near) - margin, Math.max(largest, ...near) + margin];
}

/** Longer names than there is room for lean. */
function tickLayout(
  values: readonly string[],
  baseValue: string | null,
): {
  readonly rotate: number;
  readonly marginBottom: number;
  readonly marginLeft: number;
  readonly format: (value: string) => string;
} {
  const shown = (value: string): string => shorten(value, 22);
  const longest = Math.max(...values.map((value) => shown(value).length));
  const leans = longest * 7 > (size.width - 2 * leastMargin) / values.length;
  const base = leans ? ' (base)' : '\n(base)';
  const format = (value: string): string => `${shown(value)}${value === baseValue ? base : ''}`;
  if (!leans) return { rotate: 0, marginBottom: baseValue === null ? 30 : 44, marginLeft: leastMargin, format };
  const lengths = values.map((value) => format(value).length);
  return {
    rotate: -30,
    marginBottom: 26 + 3.4 * Math.max(...lengths),
    marginLeft: Math.max(leastMargin, 5.8 * lengths[0]! - 10),
    format,
  };
}

/** Where it is beyond the frame, an arrow says so. */
function referenceText({ name, mean: { mean } }: SweepReference, low: number, high: number): string {
  return `${shorten(name, 14)} ${one(mean)}${mean < low ? ' ↓' : mean > high ? ' ↑' : ''}`;
}

function isNumber(text: string): boolean {
  return text.trim() !== '' && Number.isFinite(Number(text));
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

function one(value: number): string {
  return value.toFixed(1).replace('-', '−');
}

function two(value: number): string {
  return value.toFixed(2).replace('-', '−');
}
