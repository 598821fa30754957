/**
 * Numbers as people read them: three significant digits, SI prefixes, a space before the unit. What is not known is
 * `–`.
 */

export const unknown = '–';

const counts = [
  ['', 1],
  [' k', 1e3],
  [' M', 1e6],
  [' G', 1e9],
  [' T', 1e12],
] as const;

const byteUnits = [
  [' B', 1],
  [' kB', 1e3],
  [' MB', 1e6],
  [' GB', 1e9],
  [' TB', 1e12],
] as const;

const shortTimes = [
  [' ns', 1e-9],
  [' µs', 1e-6],
  [' ms', 1e-3],
  [' s', 1],
] as const;

type Units = readonly (readonly [unit: string, size: number])[];

/** The value rounded to three digits first, so that 999,600 is `1.00 M` and never `1000 k`. */
function withUnit(value: number, units: Units): string {
  const rounded = Number(value.toPrecision(3));
  const [unit, size] = units.findLast(([, each]) => Math.abs(rounded) >= each) ?? units[0]!;
  return `${significant(rounded / size)}${unit}`;
}

/** Three significant digits, without an exponent. */
function significant(value: number): string {
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(digits);
}

/** `812`, `36.9 k`, `1.23 M` */
export function formatCount(value: number | null): string {
  if (value === null) return unknown;
  return Math.abs(value) < 1000 ? String(value) : withUnit(value, counts);
}

/** Decimal units: `45.6 MB` */
export function formatBytes(bytes: number | null): string {
  if (bytes === null) return unknown;
  return Math.abs(bytes) < 1000 ? `${bytes} B` : withUnit(bytes, byteUnits);
}

/** `12.3 ms`, `4.56 s`, `2 min 5 s`, `3 h 20 min` */
export function formatSeconds(seconds: number | null): string {
  if (seconds === null) return unknown;
  if (seconds === 0) return '0 s';
  if (seconds < 59.95) return withUnit(seconds, shortTimes);
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Digits after the point; a loss that is not finite (or was not when it was written as JSON) is not known. */
export function formatLoss(loss: number | null, digits = 3): string {
  return loss === null || !Number.isFinite(loss) ? unknown : loss.toFixed(digits);
}

/** A fraction as percent: 0.9123 is `91.2 %`. One that is not 0 is never told as 0: 0.0003 is `0.03 %`. */
export function formatPercent(fraction: number | null, digits = 1): string {
  if (fraction === null) return unknown;
  const percent = fraction * 100;
  const first = percent === 0 ? 0 : Math.min(10, Math.ceil(-Math.log10(Math.abs(percent))));
  return `${percent.toFixed(Number(percent.toFixed(digits)) === 0 ? Math.max(digits, first) : digits)} %`;
}

/** How many times as much, `1.93`; the sign × is the reader's to add. */
export function formatRatio(ratio: number | null): string {
  return ratio === null || !Number.isFinite(ratio) ? unknown : significant(Number(ratio.toPrecision(3)));
}

/** A difference of two fractions in percentage points, signed: `+0.31`, `−0.20`, `±0.00`. */
export function formatPoints(difference: number | null): string {
  if (difference === null) return unknown;
  const text = Math.abs(difference * 100).toFixed(2);
  if (Number(text) === 0) return `±${text}`;
  return `${difference > 0 ? '+' : '−'}${text}`;
}

/** `1 seed`, `2 seeds`. @param count as it is told, which may be rounded */
export function counted(count: number | string, word: string, plural = `${word}s`): string {
  return `${count} ${String(count) === '1' ? word : plural}`;
}

/** With a capital letter. */
export function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
