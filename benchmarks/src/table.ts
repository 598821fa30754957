/**
 * The one table of all measurements: a row has what was found under the names of the JSON, and each name is a column.
 */
import * as format from '../../packages/padnet/dist/report/format.js';
import { alignGrid } from '../../packages/padnet/dist/report/grid.js';

export type Row = Readonly<Record<string, unknown>>;

type Format = (value: number | null) => string;

const digits =
  (count: number): Format =>
  (value) =>
    value?.toFixed(count) ?? format.unknown;

/** Columns of numbers; what is not known is `–`. */
const numbers: Readonly<Record<string, readonly [heading: string, format: Format]>> = {
  microseconds: ['µs a call', digits(2)],
  seconds: ['time', format.formatSeconds],
  processorSeconds: ['processor', format.formatSeconds],
  imagesPerSecond: ['images/s', digits(1)],
  peakMemoryBytes: ['peak memory', format.formatBytes],
  workingMemoryBytes: ['working memory', format.formatBytes],
  parameters: ['parameters', format.formatCount],
  gigaflops: ['GF/s', digits(0)],
  share: ['of the roof', (value) => format.formatPercent(value, 0)],
  spread: ['spread', format.formatPercent],
  ratio: ['ratio', format.formatRatio],
  atMost: ['at most', (value) => (value === null ? '' : format.formatRatio(value))],
};

/** Columns come in the order of the rows' names; the words before the first numbers align left. */
export function table(rows: readonly Row[]): string {
  const names = [...new Set(rows.flatMap(Object.keys))];
  const columns = names.map((name) => {
    const [, to] = /^ratioTo(.+)$/.exec(name) ?? [];
    if (to !== undefined) return [`× ${to.toLowerCase()}`, format.formatRatio] as const;
    return numbers[name] ?? ([name, (value: string | number | null) => String(value ?? '')] as const);
  });
  const cells = (row: Row): string[] => columns.map(([, text], place) => text((row[names[place]!] ?? null) as never));
  const firstNumber = names.findIndex((name) => rows.every((row) => typeof row[name] !== 'string'));
  return alignGrid({
    heading: columns.map(([heading]) => heading),
    rows: rows.map(cells),
    leftColumns: firstNumber < 0 ? names.length : firstNumber,
  });
}
