/**
 * How the dynamic entries of each layer spread over its filters: a strip a layer, its filters from the most dynamic to the least.
 */
import * as Plot from '@observablehq/plot';
import { mean } from '../../statistics.js';
import { formatPercent } from '../format.js';
import type { Html } from '../html.js';
import { layerLabel } from '../../analysis/layerNames.js';
import type { LayerRatio } from '../../analysis/networkCounts.js';
import { heatOpacity } from './heatScale.js';
import { plotSvg, shorten } from './plotSvg.js';

const rowHeight = 22;

/** A layer with more filters has the means of neighbours in the order. */
const mostCells = 48;

export function filterShareChart(layers: readonly LayerRatio[], colour: string): Html {
  const rows = layers.map(({ path, filterShares }) => {
    const sorted = [...filterShares].sort((a, b) => b - a);
    const dynamic = sorted.filter((share) => share > 0).length;
    return { path, cells: cellsOf(sorted), text: `${dynamic} of ${sorted.length}` };
  });
  const cells = rows.flatMap(({ path, cells: shares }) =>
    shares.map((share, index) => ({
      path,
      x1: index / shares.length,
      x2: (index + 1) / shares.length,
      opacity: heatOpacity(share, 1),
      title: `${path}: ${formatPercent(share, 0)} of these filters' entries are dynamic`,
    })),
  );
  const shown = new Map(rows.map(({ path }) => [path, shorten(layerLabel(path), 24)]));
  const longest = Math.max(...[...shown.values()].map((text) => text.length));
  const label = rows.map(({ path, text }) => `${layerLabel(path)} ${text}`).join(', ');
  return plotSvg(`Filters with dynamic entries by layer: ${label}`, {
    width: 520,
    height: 44 + rowHeight * rows.length,
    marginTop: 28,
    marginBottom: 16,
    marginLeft: 12 + 7 * longest,
    marginRight: 92,
    x: { domain: [0, 1], axis: null },
    y: {
      domain: rows.map(({ path }) => path),
      label: null,
      tickSize: 0,
      tickFormat: (path: string) => shown.get(path) ?? path,
    },
    opacity: { type: 'identity' },
    marks: [
      Plot.text(['filters, the most dynamic first'], {
        x: 0,
        frameAnchor: 'top',
        dy: -24,
        textAnchor: 'start',
        fill: 'var(--muted)',
      }),
      Plot.barX(rows, { y: 'path', x1: 0, x2: 1, insetTop: 3.5, insetBottom: 3.5, fill: 'var(--rule)' }),
      Plot.barX(cells, {
        y: 'path',
        x1: 'x1',
        x2: 'x2',
        insetTop: 3.5,
        insetBottom: 3.5,
        fill: colour,
        fillOpacity: 'opacity',
        title: 'title',
        shapeRendering: 'crispEdges',
      }),
      Plot.text(rows, { y: 'path', x: 1, dx: 5, textAnchor: 'start', text: 'text' }),
    ],
  });
}

/** At most `mostCells` means of runs of the values. */
function cellsOf(values: readonly number[]): number[] {
  const count = Math.min(mostCells, values.length);
  return Array.from({ length: count }, (_, cell) => {
    const part = values.slice(
      Math.floor((cell * values.length) / count),
      Math.floor(((cell + 1) * values.length) / count),
    );
    return mean(part);
  });
}
