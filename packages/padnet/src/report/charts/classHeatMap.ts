/** What a router decides on average: a row for each class, a column for each kernel of the bank, position, channel or filter. */
import * as Plot from '@observablehq/plot';
import type { ClassMeans } from '../../analysis/coefficients.js';
import type { Html } from '../html.js';
import { heatOpacity, inkChanges } from './heatScale.js';
import { plotSvg, shorten } from './plotSvg.js';

export interface HeatMapOptions {
  /** Such as `Mean coefficients by class and kernel`. */
  readonly label: string;
  readonly means: ClassMeans;
  readonly classNames: readonly string[];
  /** Of each column. */
  readonly columnNames: readonly string[];
  /** The value that is drawn in full colour. */
  readonly most: number;
  readonly colour: string;
}

/** Above so many columns, cells have no room for numbers. */
export const mostNumbers = 9;

export function classHeatMap({ label, means, classNames, columnNames, most, colour }: HeatMapOptions): Html {
  const names = classNames.map((name) => shorten(name, 14));
  const cells = means.flatMap((row, index) =>
    row.map((value, column) => ({ row: index, column, value, opacity: heatOpacity(value, most) })),
  );
  // `.52` where `0.52` has no room.
  const digits = (value: number): string =>
    columnNames.length > 6 ? value.toFixed(2).replace(/^0/, '') : value.toFixed(2);
  const text = { x: 'column', y: 'row', text: ({ value }: { value: number }) => digits(value) } as const;
  const described = means.map(
    (row, index) => `${classNames[index] ?? ''} ${row.map((value) => value.toFixed(2)).join(' ')}`,
  );
  return plotSvg(`${label}: ${described.join(', ')}`, {
    width: 320,
    height: 34 + 21 * means.length,
    marginTop: 24,
    marginLeft: 10 + 6.9 * Math.max(0, ...names.map((name) => name.length)),
    marginRight: 0,
    marginBottom: 10,
    x: {
      axis: 'top',
      label: null,
      tickSize: 0,
      tickFormat: (column: number) => columnNames[column] ?? '',
      padding: 0.03,
    },
    y: { label: null, tickSize: 0, tickFormat: (index: number) => names[index] ?? '', padding: 0.06 },
    opacity: { type: 'identity' },
    marks: [
      Plot.cell(cells, { x: 'column', y: 'row', fill: colour, fillOpacity: 'opacity', rx: 2 }),
      ...(columnNames.length > mostNumbers
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
