/** Numbers as the reports have them; a space before the unit, which does not break. */

const units = [
  ['B', 1],
  ['kB', 1e3],
  ['MB', 1e6],
  ['GB', 1e9],
] as const;

/** `45.6 MB` */
export function formatBytes(bytes: number): string {
  const rounded = Number(bytes.toPrecision(3));
  const [unit, size] = units.findLast(([, each]) => rounded >= each) ?? units[0];
  return `${threeDigits(rounded / size)}\u00a0${unit}`;
}

/** `97.31 %` */
export function formatPercent(fraction: number, digits = 1): string {
  return `${(100 * fraction).toFixed(digits)}\u00a0%`;
}

/** `12.3 ms` */
export function formatMilliseconds(milliseconds: number): string {
  return `${threeDigits(milliseconds)}\u00a0ms`;
}

/** Three digits, without an exponent; of whole bytes all. */
export function threeDigits(value: number): string {
  if (Number.isInteger(value)) return String(value);
  return value.toFixed(value < 0.01 ? 3 : Math.max(0, 2 - Math.floor(Math.log10(value))));
}

const fractions: ReadonlySet<string> = new Set(['accuracy', 'F1', 'mismatched accuracy']);

/**
 * `91.23 % accuracy`, or of a correlation `45.1 Pearson`: times 100, as GLUE's tables have them.
 *
 * @param metric in words, several with `/` between
 */
export function formatScore({ metric, value }: { readonly metric: string; readonly value: number }): string {
  const isFraction = metric.split('/').every((name) => fractions.has(name));
  const number = isFraction ? formatPercent(value, 2) : (100 * value).toFixed(1).replace('-', '−');
  return `${number} ${metric}`;
}

/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
}
