/** Each expert's share of the gates: a row for each layer, a column for each expert, and how even the row is. */
import * as Plot from '@observablehq/plot';
import type { ExpertLayer } from '../../analysis/expertLoad.js';
import { formatPercent } from '../format.js';
import type { Html } from '../html.js';
import { layerLabel } from '../../analysis/layerNames.js';
import { heatOpacity, inkChanges } from './heatScale.js';
import { plotSvg } from './plotSvg.js';

export interface ExpertHeatMapOptions {
  readonly layers: readonly ExpertLayer[];
  /** The share that is drawn in full colour. */
  readonly most: number;
  readonly colour: string;
}

const rowHeight = 22;

/** Above so many experts, cells have no room for numbers. */
const mostNumbers = 8;

export function expertHeatMap({ layers, most, colour }: ExpertHeatMapOptions): Html {
  const rows = layers.map(({ path, shares, loadEntropy }, row) => ({
    row,
    label: layerLabel(path),
    shares,
    entropy: loadEntropy.toFixed(2),
  }));
  const cells = rows.flatMap(({ row, label, shares }) =>
    shares.map((share, expert) => ({
      row,
      expert,
      text: formatPercent(share, 0),
      opacity: heatOpacity(share, most),
      title: `${label}, expert ${expert}: ${formatPercent(share)}`,
    })),
  );
  const numExperts = Math.max(0, ...layers.map(({ shares }) => shares.length));
  const longest = Math.max(0, ...rows.map(({ label }) => label.length));
  const text = { x: 'expert', y: 'row', text: 'text' } as const;
  const described = rows.map(({ label, shares, entropy }) => {
    const percents = shares.map((share) => Math.round(100 * share)).join(' ');
    return `${label} ${percents} %, evenness ${entropy}`;
  });
  return plotSvg(`Share of the gates by layer and expert: ${described.join('; ')}`, {
    width: 520,
    height: 44 + rowHeight * rows.length,
    marginTop: 34,
    marginLeft: 14 + 6.9 * longest,
    marginRight: 64,
    marginBottom: 10,
    x: { axis: 'top', label: null, tickSize: 0, padding: numExperts > 16 ? 0 : 0.03 },
    y: { label: null, tickSize: 0, tickFormat: (row: number) => rows[row]?.label ?? '', padding: 0.06 },
    opacity: { type: 'identity' },
    marks: [
      Plot.text(['expert'], { frameAnchor: 'top-left', dy: -30, fill: 'var(--muted)' }),
      Plot.text(['evenness'], { frameAnchor: 'top-right', dx: 62, dy: -30, fill: 'var(--muted)' }),
      Plot.cell(cells, { x: 'expert', y: 'row', fill: colour, fillOpacity: 'opacity', rx: 2, title: 'title' }),
      ...(numExperts > mostNumbers
        ? []
        : [
            Plot.text(
              cells.filter(({ opacity }) => opacity <= inkChanges),
              { ...text, fill: 'var(--on-pale)' },
            ),
            Plot.text(
              cells.filter(({ opacity }) => opacity > inkChanges),
              { ...text, fill: 'var(--on-full)' },
            ),
          ]),
      Plot.text(rows, { y: 'row', text: 'entropy', frameAnchor: 'right', dx: 62, textAnchor: 'end', fontWeight: 600 }),
    ],
  });
}
