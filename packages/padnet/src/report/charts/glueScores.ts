/** The scores of a task: a point for each seed, joined between networks, a bar for each mean. */
import * as Plot from '@observablehq/plot';
import type { Html } from '../html.js';
import { plotSvg } from './plotSvg.js';

export interface GlueScoresNetwork {
  readonly name: string;
  readonly colour: string;
  /** × 100 */
  readonly scores: readonly { readonly seed: number; readonly score: number }[];
}

export interface GlueScoresOptions {
  /** What it shows, for those who do not see it. */
  readonly name: string;
  /** Those without scores keep their place. */
  readonly networks: readonly GlueScoresNetwork[];
  /** What to measure scores by, × 100: a line, or where it is far below, only its value. */
  readonly references: readonly GlueReference[];
}

export interface GlueReference {
  readonly name: string;
  readonly score: number;
}

const size = { width: 300, height: 230, marginTop: 16, marginBottom: 30, marginLeft: 40, marginRight: 20 };

/** Of the bar of a mean, in pixels. */
const tickWidth = 28;

export function glueScoresChart({ name, networks, references }: GlueScoresOptions): Html {
  const points = networks.flatMap(({ name: network, colour, scores }) =>
    scores.map(({ seed, score }) => ({
      network,
      colour,
      seed,
      score,
      title: `${network}, seed ${seed}: ${one(score)}`,
    })),
  );
  const means = networks.flatMap(({ name: network, colour, scores }) => {
    if (scores.length === 0) return [];
    const score = scores.reduce((sum, each) => sum + each.score, 0) / scores.length;
    return [{ network, colour, score, title: `${network}, mean: ${one(score)}` }];
  });
  const values = points.map(({ score }) => score);
  const [least, largest] = [Math.min(...values), Math.max(...values)];
  const span = Math.max(largest - least, 2);
  // References far below would press all else together.
  const isNear = ({ score }: GlueReference): boolean => score > least - 1.5 * span;
  const near = references.filter(isNear);
  const far = references.filter((reference) => !isNear(reference));
  const low = Math.min(least, ...near.map(({ score }) => score)) - (0.18 + 0.14 * far.length) * span;
  const high = Math.max(largest, ...near.map(({ score }) => score)) + 0.18 * span;
  const seeds = [...new Set(points.map(({ seed }) => seed))];
  const bandWidth = (size.width - size.marginLeft - size.marginRight) / networks.length;
  const inset = (bandWidth - tickWidth) / 2;
  const x = 'network';
  const said = [...means.map(({ title }) => title), ...references.map(referenceText)];
  return plotSvg(`${name}: ${said.join('; ')}`, {
    ...size,
    x: { domain: networks.map(({ name: network }) => network), label: null, tickSize: 0, padding: 0 },
    y: { domain: [low, high], ticks: 5, tickSize: 0, label: null },
    marks: [
      Plot.gridY({ ticks: 5, stroke: 'var(--rule)', strokeOpacity: 1 }),
      Plot.ruleY(near, { y: 'score', stroke: 'currentColor', strokeWidth: 1.25, strokeDasharray: '2 3' }),
      Plot.text(near, {
        ...referenceStyle,
        y: 'score',
        text: referenceText,
        frameAnchor: 'left',
        lineAnchor: 'bottom',
        dy: -3,
      }),
      Plot.text([far.map((reference) => `${referenceText(reference)} ↓`).join('\n')], {
        ...referenceStyle,
        frameAnchor: 'bottom-left',
        dy: -4,
      }),
      ...seeds.map((seed) =>
        Plot.line(
          points.filter((point) => point.seed === seed),
          { x, y: 'score', stroke: 'var(--muted)', strokeWidth: 1, strokeOpacity: 0.45 },
        ),
      ),
      ...means.map((mean) =>
        Plot.tickY([mean], {
          x,
          y: 'score',
          stroke: mean.colour,
          strokeWidth: 3,
          insetLeft: inset,
          insetRight: inset,
          title: 'title',
        }),
      ),
      ...points.map((point) =>
        Plot.dot([point], {
          x,
          y: 'score',
          r: 3.5,
          fill: 'var(--paper)',
          stroke: point.colour,
          strokeWidth: 1.75,
          title: 'title',
        }),
      ),
      ...means.map((mean) =>
        Plot.text([mean], {
          x,
          y: 'score',
          text: ({ score }: { score: number }) => one(score),
          dx: tickWidth / 2 + 4,
          textAnchor: 'start',
          fill: mean.colour,
          fontWeight: 600,
          stroke: 'var(--paper)',
          strokeWidth: 4,
        }),
      ),
    ],
  });
}

const referenceStyle = { dx: 4, fill: 'var(--muted)', stroke: 'var(--paper)', strokeWidth: 4 } as const;

function referenceText({ name, score }: GlueReference): string {
  return `${name} ${one(score)}`;
}

function one(value: number): string {
  return value.toFixed(1).replace('-', '−');
}
