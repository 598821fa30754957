/** Scores over seeds: a ring for each seed, mean and deviation beside them, lines to measure them by. */
import * as Plot from '@observablehq/plot';
import type { MeanDeviation } from '../../statistics.js';
import { html, type Html } from '../html.js';
import { hundredfold, meanText } from '../matrix/matrixText.js';
import { axisName, gridY, spreadText } from './marks.js';
import { plotSvg, shorten } from './plotSvg.js';

/** Points side by side with those of other series: of a sweep over two keys, those with one value of the second. */
export interface SeedSeries {
  /** Null: the only one. */
  readonly name: string | null;
  readonly colour: string;
  readonly points: readonly SeedPoint[];
}

export interface SeedPoint {
  /** Its place on the horizontal axis. */
  readonly value: string;
  /** @default that of the series */
  readonly colour?: string;
  /** Fractions. */
  readonly scores: readonly { readonly seed: number; readonly score: number }[];
  /** Their mean; null where there are none. */
  readonly score: MeanDeviation | null;
}

export interface SeedReference {
  readonly name: string;
  readonly colour: string;
  /** Null: not known yet. */
  readonly score: MeanDeviation | null;
}

export interface SeedChartOptions {
  /** A name for those who do not see the chart. */
  readonly name: string;
  /** The name of the scores. */
  readonly axis: string;
  /** The horizontal axis in order; those without scores keep their place. */
  readonly values: readonly string[];
  /** The value that the base has; null where it has none of them. */
  readonly baseValue?: string | null;
  readonly series: readonly SeedSeries[];
  readonly references: readonly SeedReference[];
}

const size = { height: 320, marginTop: 28 };
const leastWidth = 540;

/** That a value takes with the rings and the number of one series, in pixels. */
const valueWidth = 58;

/** The margin of the axis of scores, in pixels. */
const leastMargin = 46;

/** Between the means of two series, and from the rings of a mean to it, in pixels. */
const seriesGap = 26;
const ringGap = 9;

export function seedChart(options: SeedChartOptions): Html {
  const { name, axis, values, baseValue = null, series } = options;
  const scores = series.flatMap(({ points }) => points.flatMap((point) => point.scores.map(({ score }) => score)));
  if (scores.length === 0) return html`<p class="empty">No run of it has finished yet.</p>`;
  const known = options.references.flatMap(({ score, ...each }) => (score === null ? [] : [{ ...each, ...score }]));
  const [low, high] = scoreDomain(
    scores,
    known.map(({ mean }) => mean),
  );
  const references = known.map(({ name: own, mean, deviation, colour }) => ({
    mean,
    from: mean - (deviation ?? 0),
    to: mean + (deviation ?? 0),
    colour,
    isNear: mean >= low && mean <= high,
    // Where it is beyond the frame, an arrow says so.
    text: `${shorten(own, 14)} ${hundredfold(mean, 1)}${mean < low ? ' ↓' : mean > high ? ' ↑' : ''}`,
  }));
  const near = references.filter(({ isNear }) => isNear);
  const { marginLeft, ...ticks } = tickLayout(values, baseValue);
  const means = series.flatMap(({ name: own, points }) =>
    points.flatMap(({ value, score }) =>
      score ? [`${value}${own === null ? '' : `, ${own}`}: ${hundredfold(score.mean, 1)}`] : [],
    ),
  );
  const marginRight = 14 + 6.7 * Math.max(0, ...references.map(({ text }) => text.length));
  return plotSvg(`${name}: ${[...means, ...references.map(({ text }) => text)].join('; ')}`, {
    ...size,
    width: Math.max(leastWidth, marginLeft + marginRight + valueWidth * values.length),
    marginLeft,
    marginRight,
    marginBottom: ticks.marginBottom,
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
    y: { percent: true, domain: [100 * low, 100 * high], clamp: true, ticks: 5, tickSize: 0, label: null },
    marks: [
      gridY(),
      axisName(axis, marginLeft),
      Plot.rect(near, { y1: 'from', y2: 'to', fill: 'colour', fillOpacity: 0.07 }),
      Plot.ruleY(near, { y: 'mean', stroke: 'colour', strokeWidth: 1.5, strokeDasharray: '5 4' }),
      spreadText(references, { y: 'mean', text: 'text', fill: 'colour', frameAnchor: 'right', dx: 8 }),
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
  { name, colour: common, points }: SeedSeries,
  { dx, isNumeric }: { readonly dx: number; readonly isNumeric: boolean },
): Plot.Markish[] {
  const titleOf = (value: string): string => (name === null ? value : `${name}, ${value}`);
  const rings = points.flatMap(({ value, scores, colour = common }) =>
    scores.map(({ seed, score }) => ({
      value,
      seed,
      score,
      colour,
      title: `${titleOf(value)}, seed ${seed}: ${hundredfold(score, 2)}`,
    })),
  );
  const means = points.flatMap(({ value, score, colour = common }) => {
    if (!score) return [];
    const { mean, deviation, count } = score;
    const spread = deviation ?? 0;
    const title = `${titleOf(value)}: ${meanText(score, 2)}, ${count} ${count === 1 ? 'seed' : 'seeds'}`;
    return [{ value, colour, mean, from: mean - spread, to: mean + spread, text: hundredfold(mean, 1), title }];
  });
  const ring = { x: 'value', y: 'score', dx: dx - ringGap } as const;
  const mean = { x: 'value', y: 'mean', dx } as const;
  return [
    Plot.line(rings, { ...ring, z: 'seed', stroke: common, strokeWidth: 1, strokeOpacity: 0.25 }),
    isNumeric ? Plot.line(means, { ...mean, stroke: common, strokeWidth: 2.25 }) : null,
    Plot.ruleX(means, { x: 'value', y1: 'from', y2: 'to', dx, stroke: 'colour', strokeWidth: 2 }),
    Plot.dot(rings, { ...ring, r: 3, fill: 'var(--paper)', stroke: 'colour', strokeWidth: 1.25, title: 'title' }),
    Plot.dot(means, { ...mean, r: 5.5, fill: 'colour', title: 'title' }),
    Plot.text(means, {
      ...mean,
      dx: dx + 8,
      dy: -8,
      text: 'text',
      textAnchor: 'start',
      fill: 'colour',
      fontWeight: 600,
      stroke: 'var(--paper)',
      strokeWidth: 4,
    }),
  ];
}

/** All scores with a margin, and references that are near: those far away would press all else together. */
function scoreDomain(scores: readonly number[], references: readonly number[]): [low: number, high: number] {
  const [least, largest] = [Math.min(...scores), Math.max(...scores)];
  const span = Math.max(largest - least, 0.02);
  const near = references.filter((mean) => mean > least - span && mean < largest + span);
  const margin = 0.12 * span;
  return [Math.min(least, ...near) - margin, Math.max(largest, ...near) + margin];
}

/** Longer names than there is room for lean. */
function tickLayout(values: readonly string[], baseValue: string | null) {
  const shown = (value: string): string => shorten(value, 22);
  const longest = Math.max(...values.map((value) => shown(value).length));
  const leans = longest * 7 > Math.max(valueWidth, (leastWidth - 2 * leastMargin) / values.length);
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

function isNumber(text: string): boolean {
  return text.trim() !== '' && Number.isFinite(Number(text));
}
