/** Lines over epochs, one colour a run, named where they end. */
import * as Plot from '@observablehq/plot';
import { html, type Html } from '../html.js';
import { axisName, gridY, spreadText, valueDomain } from './marks.js';
import { plotSvg } from './plotSvg.js';

export interface Line {
  readonly points: readonly { readonly epoch: number; readonly value: number }[];
  readonly colour: string;
  readonly dashed: boolean;
  /** Shown at the end of the line; null: none. */
  readonly label: string | null;
  readonly title: string;
  /** The epoch of a point, at which the masks were set; null: none. */
  readonly marked: number | null;
}

export interface LineChartOptions {
  /** A name for those who do not see the chart. */
  readonly name: string;
  readonly axis: string;
  /** The first epoch: 1 where points are of whole epochs, 0 where they are of stretches of them. */
  readonly from: 0 | 1;
  /** The largest value that there can be. @default Infinity */
  readonly most?: number;
  /** Values closer than this are drawn close. @default 0 */
  readonly leastSpan?: number;
  /**
   * Logarithmic where values above 0 differ by more than this factor, so that one that has blown up leaves the others
   * apart.
   * @default Infinity
   */
  readonly mostRatio?: number;
}

const size = { width: 460, height: 300, marginTop: 28, marginBottom: 42, marginLeft: 46 };

export function lineChart(lines: readonly Line[], options: LineChartOptions): Html {
  const { name, axis, from, most = Infinity, leastSpan = 0, mostRatio = Infinity } = options;
  const points = lines.flatMap(({ points: own, marked, ...line }) =>
    own.map((point) => ({ ...line, ...point, isMarked: point.epoch === marked, isFew: own.length <= 30 })),
  );
  if (points.length === 0) return html`<p class="empty">No epoch has been completed yet.</p>`;
  const values = points.map(({ value }) => value);
  const isLogarithmic = Math.min(...values) > 0 && Math.max(...values) > mostRatio * Math.min(...values);
  const [low, high] = isLogarithmic
    ? [Math.min(...values) / 1.2, Math.max(...values) * 1.2]
    : valueDomain(values, { margin: 0.06, most, leastSpan });
  const epochs = Math.max(...points.map(({ epoch }) => epoch));
  const ticks = isLogarithmic ? powersOfTen(low, high) : 5;
  const ends = lines.flatMap(({ label, points: own, colour }) =>
    label === null ? [] : own.slice(-1).map((point) => ({ ...point, label, colour })),
  );
  const longest = Math.max(0, ...ends.map(({ label }) => label.length));
  const place = { x: 'epoch', y: 'value' } as const;
  return plotSvg(`${name}; at the end: ${ends.map(({ label }) => label).join(', ')}`, {
    ...size,
    marginRight: 16 + 7.4 * longest,
    x: {
      domain: epochs === from ? [0, 2] : [from, epochs],
      label: 'epoch',
      labelArrow: 'none',
      ticks: [...(from === 0 ? [0] : []), ...epochTicks(epochs)],
      tickFormat: 'd',
    },
    y: {
      type: isLogarithmic ? 'log' : 'linear',
      domain: [low, high],
      ticks,
      tickSize: 0,
      ...(isLogarithmic && { tickFormat: String }), // else 0.1 is `100m`
      label: null,
    },
    marks: [
      gridY(ticks),
      axisName(axis, size.marginLeft),
      ...lines.map(({ points: own, colour, dashed, title }) =>
        Plot.line(own, {
          ...place,
          stroke: colour,
          strokeWidth: dashed ? 1.25 : 2.25,
          ...(dashed ? { strokeDasharray: '3 3', strokeOpacity: 0.85 } : {}),
          title: () => title,
        }),
      ),
      Plot.dot(
        points.filter(({ dashed, isFew }) => !dashed && isFew),
        { ...place, r: 2.25, fill: 'colour' },
      ),
      Plot.dot(
        points.filter(({ isMarked }) => isMarked),
        { ...place, r: 5.5, stroke: 'colour', strokeWidth: 2, fill: 'var(--paper)', title: () => 'masks set here' },
      ),
      spreadText(ends, { ...place, text: 'label', fill: 'colour', dx: 9 }),
    ],
  });
}

function powersOfTen(low: number, high: number): number[] {
  const [first, last] = [Math.ceil(Math.log10(low)), Math.floor(Math.log10(high))];
  return Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index));
}

/** Whole epochs, about six of them, the last one included. */
function epochTicks(epochs: number): number[] {
  const step = [1, 2, 5, 10, 20, 25, 50, 100, 200, 500].find((each) => epochs / each <= 7) ?? 1000;
  const ticks = Array.from({ length: Math.floor(epochs / step) }, (_, index) => (index + 1) * step);
  return step === 1 || epochs === 1 ? ticks : [1, ...ticks];
}
