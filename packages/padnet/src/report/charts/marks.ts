/** Marks and scales that several charts have. */
import * as Plot from '@observablehq/plot';
import { spreadLabels } from './spreadLabels.js';

/** Horizontal lines behind the marks. */
export function gridY(ticks: number | number[] = 5): Plot.Markish {
  return Plot.gridY({ ticks, stroke: 'var(--rule)', strokeOpacity: 1 });
}

/** The name of the vertical axis, above it. */
export function axisName(text: string, marginLeft: number): Plot.Markish {
  return Plot.text([text], { frameAnchor: 'top-left', dx: -marginLeft, dy: -24, fill: 'var(--muted)' });
}

/** Names of lines and points: those that would touch move apart, up and down. */
export function spreadText(data: Plot.Data, options: Plot.TextOptions): Plot.Markish {
  const style = { textAnchor: 'start', fontWeight: 600, ...options } as const;
  return Plot.text(
    data,
    Plot.initializer(style, (_data, _facets, { y }, { y: scale }, { height, marginTop, marginBottom }) => {
      const pixels = Array.from(y!.value as Iterable<number>, (value) => scale!(value) as number);
      return { channels: { y: { value: spreadLabels(pixels, 15, marginTop, height - marginBottom) } } };
    }),
  );
}

/**
 * All values with a margin; below 0 only where values are (correlations can be).
 *
 * @param margin share of their span
 * @param most the largest value that there can be
 * @param leastSpan values closer than this are drawn close
 */
export function valueDomain(
  values: readonly number[],
  {
    margin: share,
    most,
    leastSpan = 0,
  }: { readonly margin: number; readonly most: number; readonly leastSpan?: number },
): [low: number, high: number] {
  const [least, largest] = [Math.min(...values), Math.max(...values)];
  const margin = share * (largest - least || 1);
  const high = Math.min(most, largest + margin);
  const low = Math.min(least - margin, high - leastSpan);
  return [least < 0 ? low : Math.max(0, low), high];
}
