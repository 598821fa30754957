/** Test score against stored numbers: what a network costs and what it gives. */
import * as Plot from '@observablehq/plot';
import type { RunSummary } from '../../analysis/runSummary.js';
import { scoreAxis, scoreInterval, scoreTitle } from '../comparisonMetrics.js';
import { formatCount } from '../format.js';
import type { Html } from '../html.js';
import { formatScore } from '../scoreText.js';
import { axisName, gridY, spreadText, valueDomain } from './marks.js';
import { plotSvg, shorten } from './plotSvg.js';
import { runColours } from './runColours.js';

const size = { width: 460, height: 300, marginTop: 28, marginBottom: 42, marginLeft: 46, marginRight: 24 };

/** Runs without a score are left out. */
export function tradeOffChart(runs: readonly RunSummary[]): Html {
  const colours = runColours(runs);
  const points = runs.flatMap((run, index) => {
    const { name, parameters, metric, score } = run;
    if (score === null) return [];
    const spread = 100 * (scoreInterval(run) ?? 0);
    const value = 100 * score;
    const title = `${name}: ${formatScore(metric, score)} with ${formatCount(parameters)} numbers`;
    const [low, high] = [value - spread, value + spread];
    return [{ name: shorten(name, 20), title, parameters, value, low, high, colour: colours[index]! }];
  });
  const interval = points.some(({ low, high }) => high > low) ? ', with 95 % interval' : '';
  const domain = valueDomain(
    points.flatMap(({ low, high }) => [low, high]),
    { margin: 0.15, most: 100 },
  );
  const largest = Math.max(...points.map(({ parameters }) => parameters));
  const x = 'parameters';
  const label = { x, y: 'value', text: 'name', fill: 'colour', lineAnchor: 'middle' } as const;
  const isRight = ({ parameters }: (typeof points)[number]): boolean => parameters > 0.75 * largest;
  return plotSvg(`${scoreTitle(runs)} against stored numbers: ${points.map(({ title }) => title).join(', ')}`, {
    ...size,
    x: { domain: [0, 1.18 * largest], ticks: 5, tickFormat: formatCount, label: 'stored numbers', labelArrow: 'none' },
    y: { domain, ticks: 5, tickSize: 0, label: null },
    marks: [
      gridY(),
      axisName(`${scoreAxis(runs)}${interval}`, size.marginLeft),
      Plot.ruleX(points, { x, y1: 'low', y2: 'high', stroke: 'colour', strokeWidth: 1.5, strokeOpacity: 0.6 }),
      Plot.dot(points, { x, y: 'value', r: 6, fill: 'colour', title: 'title' }),
      spreadText(points, {
        ...label,
        dx: 11,
        filter: (point: (typeof points)[number]) => !isRight(point),
      }),
      spreadText(points, { ...label, dx: -11, textAnchor: 'end', filter: isRight }),
    ],
  });
}
