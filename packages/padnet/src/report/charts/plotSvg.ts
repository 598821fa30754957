/**
 * Observable Plot without a browser: a plot as SVG markup. Colours are CSS variables, so that they follow light and
 * dark.
 */
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { escapeHtml, trusted, type Html } from '../html.js';

/**
 * Plot writes through the document and so escapes whatever text it is given.
 *
 * @param label what the drawing shows, for those who do not see it
 */
export function plotSvg(label: string, options: Plot.PlotOptions): Html {
  const page = parseHTML('<!doctype html><html></html>') as { readonly document: object };
  const svg = Plot.plot({ style: { fontSize: '12px' }, ...options, document: page.document }) as { outerHTML: string };
  return trusted(svg.outerHTML.replace('<svg ', () => `<svg role="img" aria-label="${escapeHtml(label)}" `));
}

/** At most `length` characters, with an ellipsis in the middle where some are left out. */
export function shorten(text: string, length: number): string {
  const characters = Array.from(text);
  if (characters.length <= length) return text;
  const head = Math.ceil((length - 1) / 2);
  return `${characters.slice(0, head).join('')}…${characters.slice(characters.length - (length - 1 - head)).join('')}`;
}
