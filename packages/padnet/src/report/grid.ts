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
  const line = (row: readonly string[]): string => alignRow(row, widths, (column) => column < leftColumns).trimEnd();
  const [first, ...others] = all.map(line);
  return [first, widths.map((size) => '─'.repeat(size)).join('  '), ...others].join('\n');
}

/** One line of such columns; what is longer than its column takes the room that it needs. */
export function alignRow(
  row: readonly string[],
  widths: readonly number[],
  isLeft: (column: number) => boolean,
): string {
  return row
    .map((text, column) => {
      const gap = ' '.repeat(Math.max(0, (widths[column] ?? 0) - width(text)));
      return isLeft(column) ? text + gap : gap + text;
    })
    .join('  ');
}

/** In characters, not in UTF-16 units. */
export function width(text: string): number {
  return Array.from(text).length;
}
