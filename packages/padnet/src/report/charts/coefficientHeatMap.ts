/** Mean router coefficients of one layer: a row for each class, a column for each kernel of the bank. */
import * as Plot from '@observablehq/plot';
import type { Html } from '../html.js';
import { heatOpacity, inkChanges } from './heatScale.js';
import { plotSvg, shorten } from './plotSvg.js';

export interface HeatMapOptions {
  /** [classes][K] */
  readonly means: readonly (readonly number[])[];
  readonly classNames: readonly string[];
  /** The value that is drawn in full colour. */
  readonly most: number;
  readonly colour: string;
}

export function coefficientHeatMap({ means, classNames, most, colour }: HeatMapOptions): Html {
  const names = classNames.map((name) => shorten(name, 14));
  const cells = means.flatMap((row, index) =>
    row.map((value, kernel) => ({ row: index, kernel: kernel + 1, value, opacity: heatOpacity(value, most) })),
  );
  const numKernels = means[0]?.length ?? 0;
  const text = { x: 'kernel', y: 'row', text: ({ value }: { value: number }) => value.toFixed(2) } as const;
  const label = means.map(
    (row, index) => `${classNames[index] ?? ''} ${row.map((value) => value.toFixed(2)).join(' ')}`,
  );
  return plotSvg(`Mean coefficients by class and kernel: ${label.join(', ')}`, {
    width: 320,
    height: 34 + 21 * means.length,
    marginTop: 24,
    marginLeft: 10 + 6.9 * Math.max(0, ...names.map((name) => name.length)),
    marginRight: 0,
    marginBottom: 10,
    x: { axis: 'top', label: null, tickSize: 0, tickFormat: (kernel: number) => `kernel ${kernel}`, padding: 0.03 },
    y: { label: null, tickSize: 0, tickFormat: (index: number) => names[index] ?? '', padding: 0.06 },
    opacity: { type: 'identity' },
    marks: [
      Plot.cell(cells, { x: 'kernel', y: 'row', fill: colour, fillOpacity: 'opacity', rx: 2 }),
      ...(numKernels > 8
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
    ],
  });
}
