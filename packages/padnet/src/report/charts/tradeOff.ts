/** Test score against stored numbers: what a network costs and what it gives. */
import * as Plot from '@observablehq/plot';
import { scoreAxis, scoreInterval, scoreTitle } from '../comparisonMetrics.js';
import { formatCount } from '../format.js';
import type { Html } from '../html.js';
import type { RunSummary } from '../../analysis/runSummary.js';
import { formatScore } from '../scoreText.js';
import { plotSvg, shorten } from './plotSvg.js';
import { runColours } from './runColours.js';
import { spreadLabels } from './spreadLabels.js';

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
    return [{ name, title, parameters, value, low: value - spread, high: value + spread, colour: colours[index]! }];
  });
  const interval = points.some(({ low, high }) => high > low) ? ', with 95 % interval' : '';
  const [least, most] = [Math.min(...points.map(({ low }) => low)), Math.max(...points.map(({ high }) => high))];
  const margin = 0.15 * (most - least || 1);
  const [low, high] = [least < 0 ? least - margin : Math.max(0, least - margin), Math.min(100, most + margin)];
  const plotHeight = size.height - size.marginTop - size.marginBottom;
  const labels = spreadLabels(
    points.map(({ value }) => ((high - value) / (high - low)) * plotHeight - 1),
    15,
    6,
    plotHeight - 6,
  );
  const largest = Math.max(...points.map(({ parameters }) => parameters));
  return plotSvg(`${scoreTitle(runs)} against stored numbers: ${points.map(({ title }) => title).join(', ')}`, {
    ...size,
    x: { domain: [0, 1.18 * largest], ticks: 5, tickFormat: formatCount, label: 'stored numbers', labelArrow: 'none' },
    y: { domain: [low, high], ticks: 5, tickSize: 0, label: null },
    marks: [
      Plot.gridY({ ticks: 5, stroke: 'var(--rule)', strokeOpacity: 1 }),
      Plot.text([`${scoreAxis(runs)}${interval}`], {
        frameAnchor: 'top-left',
        dx: -size.marginLeft,
        dy: -24,
        fill: 'var(--muted)',
      }),
      ...points.flatMap(({ colour, ...point }, index) => {
        const isRight = point.parameters > 0.75 * largest;
        return [
          Plot.ruleX([point], {
            x: 'parameters',
            y1: 'low',
            y2: 'high',
            stroke: colour,
            strokeWidth: 1.5,
            strokeOpacity: 0.6,
          }),
          Plot.dot([point], {
            x: 'parameters',
            y: 'value',
            r: 6,
            fill: colour,
            title: 'title',
          }),
          Plot.text([shorten(point.name, 20)], {
            x: point.parameters,
            y: high - (labels[index]! / plotHeight) * (high - low),
            dx: isRight ? -11 : 11,
            textAnchor: isRight ? 'end' : 'start',
            fill: colour,
            fontWeight: 600,
          }),
        ];
      }),
    ],
  });
}
