/** Differences to the base, a line for each recipe: all sweeps on one scale. */
import * as Plot from '@observablehq/plot';
import { type BySeed, holds, type PairedDifference } from '../../experiments/index.js';
import { html, type Html } from '../html.js';
import { differenceCell, signedHundredfold } from '../matrix/matrixText.js';
import { plotSvg, shorten } from './plotSvg.js';
import { seriesColours } from './runColours.js';

export interface DifferenceGroup {
  readonly title: string;
  readonly rows: readonly DifferenceRow[];
}

export interface DifferenceRow {
  readonly label: string;
  /** The difference to the base, a fraction; null: none, or the base itself. */
  readonly difference: PairedDifference | null;
  /** The differences by seed. */
  readonly bySeed: BySeed;
  readonly isBase: boolean;
}

/** The colour of what holds after the correction. */
const [varied] = seriesColours(1) as [string];

const lineHeight = 23;
const size = { width: 1000, marginTop: 40, marginBottom: 8, marginLeft: 250, marginRight: 150 };

/** @param band the difference that would count, a fraction: a band around 0; null: none is given */
export function differenceChart(name: string, groups: readonly DifferenceGroup[], band: number | null = null): Html {
  const lines = groups.flatMap(({ title, rows }) => [
    { title, row: null },
    ...rows.map((row) => ({ title: null, row })),
  ]);
  const titles = lines.map(({ title }, line) => ({ title, line }));
  const placed = lines.flatMap(({ row }, line) => {
    if (row === null) return [];
    const { text, details = [] } = differenceCell(row.difference, 2);
    return [{ ...row, line, text: row.isBase ? 'base' : [text, ...details].join(' ') }];
  });
  const compared = placed.flatMap(({ difference, isBase, ...row }) => {
    if (difference === null || isBase) return [];
    const { mean, interval } = difference;
    const [from, to] = interval ?? [mean, mean];
    return [{ ...row, mean, from, to, colour: holds(difference) === false ? 'var(--muted)' : varied }];
  });
  if (compared.length === 0) return html`<p class="empty">Nothing can be compared yet.</p>`;
  const seeds = compared.flatMap(({ bySeed, line, label, colour }) =>
    Array.from(bySeed, ([seed, difference]) => {
      const title = `${label}, seed ${seed}: ${signedHundredfold(difference, 2)}`;
      return { line, difference, colour, title };
    }),
  );
  const said = compared.map(({ label, text }) => `${label} ${text}`).join('; ');
  const domain = differenceDomain(
    seeds.map(({ difference }) => difference),
    compared.flatMap(({ from, to }) => [from, to]),
  );
  return plotSvg(`${name}: ${said}`, {
    ...size,
    height: size.marginTop + size.marginBottom + lineHeight * lines.length,
    x: {
      percent: true,
      domain: domain.map((end) => 100 * end),
      clamp: true,
      axis: 'top',
      ticks: 8,
      tickSize: 0,
      tickFormat: (value: number) => `${value > 0 ? '+' : value < 0 ? '−' : ''}${Math.abs(value)}`,
      label: 'points above the base',
      labelAnchor: 'left',
      labelArrow: 'none',
    },
    y: { type: 'linear', domain: [-0.5, lines.length - 0.5], reverse: true, axis: null },
    marks: [
      band === null
        ? null
        : Plot.rectX([{ from: Math.max(-band, domain[0]), to: Math.min(band, domain[1]) }], {
            x1: 'from',
            x2: 'to',
            fill: 'var(--ink)',
            fillOpacity: 0.06,
          }),
      Plot.gridX({ ticks: 8, stroke: 'var(--rule)', strokeOpacity: 1 }),
      Plot.ruleX([0], { stroke: 'currentColor', strokeWidth: 1.25 }),
      Plot.text(titles, { ...left, y: 'line', text: 'title', fontWeight: 650, fill: 'currentColor' }),
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

/** All seeds and 0, with intervals as far as twice the span: those of two seeds would press all else together. */
function differenceDomain(seeds: readonly number[], ends: readonly number[]): [low: number, high: number] {
  const [least, largest] = [Math.min(0, ...seeds), Math.max(0, ...seeds)];
  const span = largest - least || 0.01;
  return [
    Math.max(Math.min(least, ...ends), least - span) - 0.04 * span,
    Math.min(Math.max(largest, ...ends), largest + span) + 0.04 * span,
  ];
}
