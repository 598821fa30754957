/** Which fraction of each layer stayed dynamic, and how large the layer is. */
import * as Plot from '@observablehq/plot';
import { formatCount, formatPercent } from '../format.js';
import type { Html } from '../html.js';
import { layerLabel } from '../../analysis/layerNames.js';
import type { LayerRatio } from '../../analysis/networkCounts.js';
import { plotSvg, shorten } from './plotSvg.js';

const rowHeight = 22;

/** @param overall κ of all layers together */
export function dynamicRatioChart(layers: readonly LayerRatio[], overall: number, colour: string): Html {
  const largest = Math.max(...layers.map(({ entries }) => entries));
  // Left panel: κ from 0 to 1. Right panel: entries, as a fraction of the largest layer, on the same scale moved by `shift`.
  const shift = 1.31;
  const sizeWidth = 0.42;
  const rows = layers.map(({ path, entries, dynamicEntries }) => ({
    path,
    ratio: entries === 0 ? 0 : dynamicEntries / entries,
    ends: shift + (sizeWidth * entries) / largest,
    dynamicEnds: shift + (sizeWidth * dynamicEntries) / largest,
    ratioText: formatPercent(entries === 0 ? 0 : dynamicEntries / entries, 0),
    sizeText: formatCount(entries),
    title: `${path}: ${formatCount(dynamicEntries)} of ${formatCount(entries)} entries are dynamic`,
  }));
  const shown = new Map(rows.map(({ path }) => [path, shorten(layerLabel(path), 24)]));
  const longest = Math.max(...[...shown.values()].map((text) => text.length));
  const bar = { y: 'path', insetTop: 3.5, insetBottom: 3.5, rx: 2 } as const;
  const besideBar = { y: 'path', dx: 5, textAnchor: 'start' } as const;
  const label = rows.map(({ path, ratioText }) => `${layerLabel(path)} ${ratioText}`).join(', ');
  return plotSvg(`Dynamic ratio by layer: ${label}; overall ${formatPercent(overall)}`, {
    width: 520,
    height: 60 + rowHeight * rows.length,
    marginTop: 44,
    marginBottom: 16,
    marginLeft: 12 + 7 * longest,
    marginRight: 48,
    x: { domain: [0, shift + sizeWidth], axis: null },
    y: {
      domain: rows.map(({ path }) => path),
      label: null,
      tickSize: 0,
      tickFormat: (path: string) => shown.get(path) ?? path,
    },
    marks: [
      Plot.text(['dynamic ratio'], { x: 0, frameAnchor: 'top', dy: -40, textAnchor: 'start', fill: 'var(--muted)' }),
      Plot.text(['entries'], { x: shift, frameAnchor: 'top', dy: -40, textAnchor: 'start', fill: 'var(--muted)' }),
      Plot.barX(rows, { ...bar, x1: 0, x2: 1, fill: 'var(--rule)' }),
      Plot.barX(rows, { ...bar, x1: 0, x2: 'ratio', fill: colour, title: 'title' }),
      Plot.text(rows, { ...besideBar, x: 1, text: 'ratioText' }),
      Plot.barX(rows, { ...bar, x1: shift, x2: 'ends', fill: colour, fillOpacity: 0.28 }),
      Plot.barX(rows, { ...bar, x1: shift, x2: 'dynamicEnds', fill: colour, title: 'title' }),
      Plot.text(rows, { ...besideBar, x: 'ends', text: 'sizeText', fill: 'var(--muted)' }),
      Plot.ruleX([overall], { stroke: 'currentColor', strokeWidth: 1.25, strokeDasharray: '2 3' }),
      Plot.text([`κ = ${formatPercent(overall)} overall`], {
        x: overall,
        frameAnchor: 'top',
        dy: -22,
        lineAnchor: 'top',
        fontWeight: 600,
      }),
    ],
  });
}
