/** Text in aligned columns. */
import { printable } from '../printable.js';

export interface Grid {
  readonly heading: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** So many columns align left, the others (numbers) right. */
  readonly leftColumns: number;
}

/** Columns side by side, two spaces apart, with a rule under the heading; cells may have names of anything. */
export function alignGrid({ heading, rows, leftColumns }: Grid): string {
  const all = [heading, ...rows].map((row) => row.map(printable));
  const widths = heading.map((_, column) => Math.max(...all.map((row) => width(row[column] ?? ''))));
  const line = (row: readonly string[]): string =>
    widths
      .map((size, column) => {
        const text = row[column] ?? '';
        const gap = ' '.repeat(size - width(text));
        return column < leftColumns ? text + gap : gap + text;
      })
      .join('  ')
      .trimEnd();
  const [first, ...others] = all.map(line);
  return [first, widths.map((size) => '─'.repeat(size)).join('  '), ...others].join('\n');
}

/** In characters, not in UTF-16 units. */
function width(text: string): number {
  return Array.from(text).length;
}
