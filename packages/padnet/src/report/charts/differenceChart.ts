/** Differences to the base, a line for each recipe: all sweeps on one scale. */
import * as Plot from '@observablehq/plot';
import type { MeanDeviation } from '../../statistics.js';
import { html, type Html } from '../html.js';
import { isBeyondSpread } from '../../experiments/seedSpread.js';
import { plotSvg, shorten } from './plotSvg.js';
import { seriesColours } from './runColours.js';

export interface DifferenceGroup {
  readonly title: string;
  readonly rows: readonly DifferenceRow[];
}

export interface DifferenceRow {
  readonly label: string;
  /** To the base, × 100; null: none, or the base itself. */
  readonly difference: MeanDeviation | null;
  /** The same by seed. */
  readonly bySeed: readonly { readonly seed: number; readonly difference: number }[];
  readonly isBase: boolean;
}

/** Colour of what is beyond the spread. */
const [varied] = seriesColours(1) as [string];

const lineHeight = 23;
const size = { width: 1000, marginTop: 40, marginBottom: 8, marginLeft: 250, marginRight: 130 };

export function differenceChart(name: string, groups: readonly DifferenceGroup[]): Html {
  const lines = groups.flatMap(({ title, rows }) => [
    { title, row: null },
    ...rows.map((row) => ({ title: null, row })),
  ]);
  const placed = lines.flatMap(({ row }, line) => (row === null ? [] : [{ ...row, line, text: differenceText(row) }]));
  const compared = placed.flatMap(({ difference, ...row }) => {
    if (difference === null) return [];
    const { mean, deviation } = difference;
    const colour = isBeyondSpread(difference) === false ? 'var(--muted)' : varied;
    return [{ ...row, mean, from: mean - (deviation ?? 0), to: mean + (deviation ?? 0), colour }];
  });
  if (compared.length === 0) return html`<p class="empty">Nothing can be compared yet.</p>`;
  const seeds = compared.flatMap(({ bySeed, line, label, colour }) =>
    bySeed.map(({ seed, difference }) => ({
      line,
      difference,
      colour,
      title: `${label}, seed ${seed}: ${signed(difference)}`,
    })),
  );
  const extremes = [0, ...compared.flatMap(({ from, to }) => [from, to]), ...seeds.map(({ difference }) => difference)];
  const [least, largest] = [Math.min(...extremes), Math.max(...extremes)];
  const margin = 0.04 * (largest - least || 1);
  const said = compared.map(({ label, text }) => `${label} ${text}`).join('; ');
  return plotSvg(`${name}: ${said}`, {
    ...size,
    height: size.marginTop + size.marginBottom + lineHeight * lines.length,
    x: {
      domain: [least - margin, largest + margin],
      axis: 'top',
      ticks: 8,
      tickSize: 0,
      tickFormat: signedTick,
      label: 'points above the base',
      labelAnchor: 'left',
      labelArrow: 'none',
    },
    y: { type: 'linear', domain: [-0.5, lines.length - 0.5], reverse: true, axis: null },
    marks: [
      Plot.gridX({ ticks: 8, stroke: 'var(--rule)', strokeOpacity: 1 }),
      Plot.ruleX([0], { stroke: 'currentColor', strokeWidth: 1.25 }),
      Plot.text(
        lines.flatMap(({ title }, line) => (title === null ? [] : [{ title, line }])),
        { ...left, y: 'line', text: 'title', fontWeight: 650, fill: 'currentColor' },
      ),
      Plot.text(placed, {
        ...left,
        dx: 16 - size.marginLeft,
        y: 'line',
        text: ({ label }: DifferenceRow) => shorten(label, 34),
        fill: 'currentColor',
      }),
      Plot.dot(seeds, {
        y: 'line',
        x: 'difference',
        r: 3,
        fill: 'var(--paper)',
        stroke: 'colour',
        strokeOpacity: 0.7,
        title: 'title',
      }),
      Plot.ruleY(compared, { y: 'line', x1: 'from', x2: 'to', stroke: 'colour', strokeWidth: 2 }),
      Plot.dot(compared, { y: 'line', x: 'mean', r: 5, fill: 'colour' }),
      Plot.text(placed, {
        y: 'line',
        text: 'text',
        frameAnchor: 'right',
        textAnchor: 'end',
        dx: size.marginRight,
        fill: 'var(--muted)',
      }),
    ],
  });
}

const left = { frameAnchor: 'left', textAnchor: 'start', dx: -size.marginLeft } as const;

function differenceText({ difference, isBase }: DifferenceRow): string {
  if (isBase) return 'base';
  if (difference === null) return '–';
  const { mean, deviation } = difference;
  return deviation === null ? signed(mean) : `${signed(mean)} ± ${deviation.toFixed(2)}`;
}

function signed(value: number): string {
  const text = Math.abs(value).toFixed(2);
  return Number(text) === 0 ? `±${text}` : `${value > 0 ? '+' : '−'}${text}`;
}

function signedTick(value: number): string {
  return value === 0 ? '0' : `${value > 0 ? '+' : '−'}${Math.abs(value)}`;
}
