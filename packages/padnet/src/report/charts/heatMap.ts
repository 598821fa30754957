/**
 * Heat maps: the fuller a cell's colour, the larger its value. Equal colours are equal values within a section:
 * coefficients and attentions by class, coefficients of one picture, experts' shares of the gates.
 */
import * as Plot from '@observablehq/plot';
import type { ClassMeans } from '../../analysis/coefficients.js';
import type { ExpertLayer } from '../../analysis/expertLoad.js';
import { layerLabel } from '../../analysis/layerNames.js';
import { formatPercent } from '../format.js';
import type { Html } from '../html.js';
import { plotSvg, shorten } from './plotSvg.js';

/**
 * Opacity of the largest value: not all of the colour, so that text on it reads at 4 : 1 or better, in light and dark.
 */
export const fullColour = 0.85;

/** Above this opacity the ground is bright enough, in dark, to need dark text. */
const inkChanges = 0.6;

/** Above so many columns, cells have no room for numbers. */
export const mostNumbers = 9;

export interface HeatScale {
  /** The value that is drawn in full colour: the largest of the section. */
  readonly most: number;
  readonly colour: string;
}

export function heatOpacity(value: number, most: number): number {
  return most > 0 ? (fullColour * value) / most : 0;
}

interface HeatCell {
  readonly x: number;
  readonly y: number;
  readonly value: number;
  readonly text?: string;
  readonly title?: string;
}

/** @param plot size and axes */
function heatMap(
  label: string,
  cells: readonly HeatCell[],
  { most, colour }: HeatScale,
  { marks = [], x, y, ...plot }: Plot.PlotOptions,
): Html {
  const shown = cells.map((cell) => {
    const opacity = heatOpacity(cell.value, most);
    return { ...cell, opacity, ink: opacity > inkChanges ? 'var(--on-full)' : 'var(--on-pale)' };
  });
  return plotSvg(label, {
    marginRight: 0,
    marginBottom: 10,
    ...plot,
    x: { label: null, tickSize: 0, padding: 0.03, ...x },
    y: { label: null, tickSize: 0, padding: 0.06, ...y },
    opacity: { type: 'identity' },
    marks: [
      Plot.cell(shown, { x: 'x', y: 'y', fill: colour, fillOpacity: 'opacity', rx: 2, title: 'title' }),
      Plot.text(shown, { x: 'x', y: 'y', text: 'text', fill: 'ink' }),
      ...marks,
    ],
  });
}

export interface ClassHeatMapOptions extends HeatScale {
  /** Such as `Mean coefficients by class and kernel`. */
  readonly label: string;
  readonly means: ClassMeans;
  readonly classNames: readonly string[];
  /** The name of each column. */
  readonly columnNames: readonly string[];
}

/** The mean decision of a router: a row for each class, a column for each kernel, position, channel or filter. */
export function classHeatMap({ label, means, classNames, columnNames, ...scale }: ClassHeatMapOptions): Html {
  const names = classNames.map((name) => shorten(name, 14));
  const numbered = columnNames.length <= mostNumbers;
  // `.52` where `0.52` has no room.
  const digits = (value: number): string => value.toFixed(2).replace(columnNames.length > 6 ? /^0/ : /^$/, '');
  const cells = means.flatMap((row, y) =>
    row.map((value, x) => ({ x, y, value, ...(numbered && { text: digits(value) }) })),
  );
  const described = means.map(
    (row, index) => `${classNames[index] ?? ''} ${row.map((value) => value.toFixed(2)).join(' ')}`,
  );
  return heatMap(`${label}: ${described.join(', ')}`, cells, scale, {
    width: 320,
    height: 34 + 21 * means.length,
    marginTop: 24,
    marginLeft: 10 + 6.9 * Math.max(0, ...names.map((name) => name.length)),
    x: { axis: 'top', tickFormat: (column: number) => columnNames[column] ?? '' },
    y: { tickFormat: (index: number) => names[index] ?? '' },
  });
}

export interface InputChartOptions extends HeatScale {
  /** [layers][K]; layers may differ in K. */
  readonly coefficients: readonly (readonly number[])[];
  readonly paths: readonly string[];
}

/** Coefficients of one picture in every layer: a column for each layer, a row for each kernel of the bank. */
export function inputCoefficientChart({ coefficients, paths, ...scale }: InputChartOptions): Html {
  const cells = coefficients.flatMap((row, x) =>
    row.map((value, kernel) => ({
      x,
      y: kernel + 1,
      value,
      title: `${paths[x] ?? ''}, kernel ${kernel + 1}: ${value.toFixed(3)}`,
    })),
  );
  const numKernels = Math.max(0, ...coefficients.map((row) => row.length));
  const beneath = { dy: 16, fill: 'var(--muted)' };
  return heatMap(`Coefficients of one picture: ${coefficients.length} layers, ${numKernels} kernels`, cells, scale, {
    width: 240,
    height: 22 + 17 * numKernels,
    marginTop: 4,
    marginLeft: 18,
    marginBottom: 18,
    x: { axis: null, padding: coefficients.length > 30 ? 0 : 0.08 },
    y: { padding: 0.08 },
    marks: [
      Plot.text(['input'], { ...beneath, frameAnchor: 'bottom-left' }),
      Plot.text(['layers →'], { ...beneath, frameAnchor: 'bottom' }),
      Plot.text(['output'], { ...beneath, frameAnchor: 'bottom-right' }),
    ],
  });
}

/** Each expert's share of the gates: a row for each layer, a column for each expert, and how even the row is. */
export function expertHeatMap(layers: readonly ExpertLayer[], scale: HeatScale): Html {
  const rows = layers.map(({ path, shares, loadEntropy }, y) => ({
    y,
    label: layerLabel(path),
    shares,
    entropy: loadEntropy.toFixed(2),
  }));
  const numExperts = Math.max(0, ...layers.map(({ shares }) => shares.length));
  const cells = rows.flatMap(({ y, label, shares }) =>
    shares.map((value, x) => ({
      x,
      y,
      value,
      title: `${label}, expert ${x}: ${formatPercent(value)}`,
      ...(numExperts <= mostNumbers && { text: formatPercent(value, 0) }),
    })),
  );
  const described = rows.map(({ label, shares, entropy }) => {
    const percents = shares.map((share) => Math.round(100 * share)).join(' ');
    return `${label} ${percents} %, evenness ${entropy}`;
  });
  const above = { dy: -30, fill: 'var(--muted)' };
  return heatMap(`Share of the gates by layer and expert: ${described.join('; ')}`, cells, scale, {
    width: 520,
    height: 44 + 22 * rows.length,
    marginTop: 34,
    marginLeft: 14 + 6.9 * Math.max(0, ...rows.map(({ label }) => label.length)),
    marginRight: 64,
    x: { axis: 'top', padding: numExperts > 16 ? 0 : 0.03 },
    y: { tickFormat: (row: number) => rows[row]?.label ?? '' },
    marks: [
      Plot.text(['expert'], { ...above, frameAnchor: 'top-left' }),
      Plot.text(['evenness'], { ...above, frameAnchor: 'top-right', dx: 62 }),
      Plot.text(rows, { y: 'y', text: 'entropy', frameAnchor: 'right', dx: 62, textAnchor: 'end', fontWeight: 600 }),
    ],
  });
}
