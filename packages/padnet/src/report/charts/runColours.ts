/**
 * A colour for each run, the same in every figure. The colours are CSS variables, so that they follow light and dark.
 */
import type { LayerKind } from '../../models/layerKind.js';

/** Distinct for colour-blind readers and at least 4.5 : 1 against the page, in light and in dark. */
const palette = {
  light: ['#5b6472', '#c24f00', '#0068a8', '#007a5a', '#a8447c', '#8a6a00', '#7a4fbf', '#3a7ca5'],
  dark: ['#a3adba', '#f28e4a', '#56b4e9', '#3fc79a', '#e08fbd', '#e6b422', '#b99bf0', '#8fb8ff'],
} as const;

/** The first run of each kind has the colour of its kind in every report: grey, orange, blue. */
const colourOfKind: Record<LayerKind, number> = { static: 0, dynamic: 1, partial: 2 };

/** One for each run; after eight they repeat. */
export function runColours(runs: readonly { readonly layer: LayerKind }[]): string[] {
  const kinds = runs.map(({ layer }) => layer);
  let next = Object.keys(colourOfKind).length;
  return kinds.map((kind, index) => {
    const colour = kinds.indexOf(kind) === index ? colourOfKind[kind] : next++ % palette.light.length;
    return `var(--run-${colour})`;
  });
}

/** The colours of recipes that others are measured by: grey, orange, then what `seriesColours` takes last. */
export function referenceColours(count: number): string[] {
  const order = [0, 1, 7, 6, 5, 4, 3];
  return Array.from({ length: count }, (_, index) => `var(--run-${order[index % order.length]!})`);
}

/** The colours of what is partial and varied: blue, then others. */
export function seriesColours(count: number): string[] {
  const order = [2, 3, 4, 5, 6, 7];
  return Array.from({ length: count }, (_, index) => `var(--run-${order[index % order.length]!})`);
}

/** The declarations of the variables. */
export function colourVariables(theme: keyof typeof palette): string {
  return palette[theme].map((colour, index) => `--run-${index}:${colour}`).join(';');
}
