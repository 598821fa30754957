/** Text in aligned columns. */

export interface Grid {
  readonly heading: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** So many columns align left, the others (numbers) right. */
  readonly leftColumns: number;
}

/** Columns side by side, two spaces apart, with a rule under the heading. */
export function alignGrid({ heading, rows, leftColumns }: Grid): string {
  const all = [heading, ...rows];
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
  return [line(heading), widths.map((size) => '─'.repeat(size)).join('  '), ...rows.map(line)].join('\n');
}

/** In characters, not in UTF-16 units. */
function width(text: string): number {
  return Array.from(text).length;
}
