/** Coefficients of one picture in every layer: a column for each layer, a row for each kernel of the bank. */
import * as Plot from '@observablehq/plot';
import type { Html } from '../html.js';
import { heatOpacity } from './heatScale.js';
import { plotSvg } from './plotSvg.js';

export interface InputChartOptions {
  /** [layers][K]; layers may differ in K. */
  readonly coefficients: readonly (readonly number[])[];
  readonly paths: readonly string[];
  /** The value that is drawn in full colour. */
  readonly most: number;
  readonly colour: string;
}

export function inputCoefficientChart({ coefficients, paths, most, colour }: InputChartOptions): Html {
  const cells = coefficients.flatMap((row, layer) =>
    row.map((value, kernel) => ({
      layer,
      kernel: kernel + 1,
      opacity: heatOpacity(value, most),
      title: `${paths[layer] ?? ''}, kernel ${kernel + 1}: ${value.toFixed(3)}`,
    })),
  );
  const numKernels = Math.max(0, ...coefficients.map((row) => row.length));
  const label = `Coefficients of one picture: ${coefficients.length} layers, ${numKernels} kernels`;
  return plotSvg(label, {
    width: 240,
    height: 22 + 17 * numKernels,
    marginTop: 4,
    marginLeft: 18,
    marginRight: 0,
    marginBottom: 18,
    x: { axis: null, padding: coefficients.length > 30 ? 0 : 0.08 },
    y: { label: null, tickSize: 0, padding: 0.08 },
    opacity: { type: 'identity' },
    marks: [
      Plot.cell(cells, { x: 'layer', y: 'kernel', fill: colour, fillOpacity: 'opacity', title: 'title' }),
      Plot.text(['input'], { frameAnchor: 'bottom-left', dy: 16, fill: 'var(--muted)' }),
      Plot.text(['layers →'], { frameAnchor: 'bottom', dy: 16, fill: 'var(--muted)' }),
      Plot.text(['output'], { frameAnchor: 'bottom-right', dy: 16, fill: 'var(--muted)' }),
    ],
  });
}
