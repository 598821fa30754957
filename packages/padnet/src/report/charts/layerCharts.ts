/** The parts of a network that stayed dynamic: a row for each layer, from input to output. */
import * as Plot from '@observablehq/plot';
import { layerLabel } from '../../analysis/layerNames.js';
import type { LayerRatio } from '../../analysis/networkCounts.js';
import { mean } from '../../statistics.js';
import { formatCount, formatPercent } from '../format.js';
import type { Html } from '../html.js';
import { heatOpacity } from './heatMap.js';
import { plotSvg, shorten } from './plotSvg.js';

const bar = { y: 'path', insetTop: 3.5, insetBottom: 3.5 } as const;
const besideBar = { y: 'path', dx: 5, textAnchor: 'start' } as const;
const heading = { frameAnchor: 'top', textAnchor: 'start', fill: 'var(--muted)' } as const;

/** Space for headings and for what stands behind the bars, in pixels. */
interface RowLayout {
  readonly marginTop: number;
  readonly marginRight: number;
  /** Where the horizontal axis ends; it begins at 0. */
  readonly end: number;
}

function layerRows(
  label: string,
  layers: readonly LayerRatio[],
  { marginTop, marginRight, end }: RowLayout,
  marks: Plot.Markish[],
): Html {
  const shown = new Map(layers.map(({ path }) => [path, shorten(layerLabel(path), 24)]));
  const longest = Math.max(...[...shown.values()].map((text) => text.length));
  return plotSvg(label, {
    width: 520,
    height: marginTop + 16 + 22 * layers.length,
    marginTop,
    marginBottom: 16,
    marginLeft: 12 + 7 * longest,
    marginRight,
    x: { domain: [0, end], axis: null },
    y: { domain: [...shown.keys()], label: null, tickSize: 0, tickFormat: (path: string) => shown.get(path) ?? path },
    opacity: { type: 'identity' },
    marks,
  });
}

/** Which fraction of each layer stayed dynamic, and how large the layer is. @param overall κ of all layers together */
export function dynamicRatioChart(layers: readonly LayerRatio[], overall: number, colour: string): Html {
  const largest = Math.max(...layers.map(({ entries }) => entries));
  // Left panel: κ from 0 to 1. Right panel: entries, as a fraction of the largest layer, on the same scale moved by
  // `shift`.
  const [shift, width] = [1.31, 0.42];
  const rows = layers.map(({ path, entries, dynamicEntries }) => {
    const ratio = entries === 0 ? 0 : dynamicEntries / entries;
    return {
      path,
      ratio,
      ends: shift + (width * entries) / largest,
      dynamicEnds: shift + (width * dynamicEntries) / largest,
      ratioText: formatPercent(ratio, 0),
      sizeText: formatCount(entries),
      title: `${path}: ${formatCount(dynamicEntries)} of ${formatCount(entries)} entries are dynamic`,
    };
  });
  const said = rows.map(({ path, ratioText }) => `${layerLabel(path)} ${ratioText}`).join(', ');
  const label = `Dynamic ratio by layer: ${said}; overall ${formatPercent(overall)}`;
  const rounded = { ...bar, rx: 2 } as const;
  return layerRows(label, layers, { marginTop: 44, marginRight: 48, end: shift + width }, [
    Plot.text(['dynamic ratio'], { ...heading, x: 0, dy: -40 }),
    Plot.text(['entries'], { ...heading, x: shift, dy: -40 }),
    Plot.barX(rows, { ...rounded, x1: 0, x2: 1, fill: 'var(--rule)' }),
    Plot.barX(rows, { ...rounded, x1: 0, x2: 'ratio', fill: colour, title: 'title' }),
    Plot.text(rows, { ...besideBar, x: 1, text: 'ratioText' }),
    Plot.barX(rows, { ...rounded, x1: shift, x2: 'ends', fill: colour, fillOpacity: 0.28 }),
    Plot.barX(rows, { ...rounded, x1: shift, x2: 'dynamicEnds', fill: colour, title: 'title' }),
    Plot.text(rows, { ...besideBar, x: 'ends', text: 'sizeText', fill: 'var(--muted)' }),
    Plot.ruleX([overall], { stroke: 'currentColor', strokeWidth: 1.25, strokeDasharray: '2 3' }),
    Plot.text([`κ = ${formatPercent(overall)} overall`], {
      x: overall,
      frameAnchor: 'top',
      dy: -22,
      lineAnchor: 'top',
      fontWeight: 600,
    }),
  ]);
}

/** A layer with more filters has the means of neighbours in the order. */
const mostCells = 48;

/** How the dynamic entries of each layer spread over its filters, from the most dynamic filter to the least. */
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
  const said = rows.map(({ path, text }) => `${layerLabel(path)} ${text}`).join(', ');
  const layout = { marginTop: 28, marginRight: 92, end: 1 };
  return layerRows(`Filters with dynamic entries by layer: ${said}`, layers, layout, [
    Plot.text(['filters, the most dynamic first'], { ...heading, x: 0, dy: -24 }),
    Plot.barX(rows, { ...bar, x1: 0, x2: 1, fill: 'var(--rule)' }),
    Plot.barX(cells, {
      ...bar,
      x1: 'x1',
      x2: 'x2',
      fill: colour,
      fillOpacity: 'opacity',
      title: 'title',
      shapeRendering: 'crispEdges',
    }),
    Plot.text(rows, { ...besideBar, x: 1, text: 'text' }),
  ]);
}

/** The values, or the means of runs of them: `mostCells` at most. */
function cellsOf(values: readonly number[]): number[] {
  const count = Math.min(mostCells, values.length);
  const start = (cell: number): number => Math.floor((cell * values.length) / count);
  return Array.from({ length: count }, (_, cell) => mean(values.slice(start(cell), start(cell + 1))));
}
