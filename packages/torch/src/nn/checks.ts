/** What the constructors of layers ask of their options; every failure names the option and the value. */

/** Height and width. */
export type Pair = readonly [height: number, width: number];

/** @throws RangeError unless `value` is a whole number of at least `least` */
export function checkWhole(name: string, value: number, least: number): number {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`${name} must be a whole number of at least ${least}, got ${value}`);
  }
  return value;
}

/** One number stands for both. @throws RangeError unless both are whole numbers of at least `least` */
export function checkPair(name: string, value: number | Pair, least: number): Pair {
  const [height, width] = typeof value === 'number' ? [value, value] : value;
  return [checkWhole(name, height, least), checkWhole(name, width, least)];
}

/** @throws RangeError unless `least` ≤ `value` ≤ `most` (so not for NaN) */
export function checkRange(name: string, value: number, least: number, most: number): number {
  if (!(value >= least && value <= most)) {
    throw new RangeError(`${name} must be between ${least} and ${most}, got ${value}`);
  }
  return value;
}

/** @throws RangeError unless `value` is finite and at least 0 */
export function checkNonNegative(name: string, value: number): number {
  if (!Number.isFinite(value) || value < 0) {
    throw new RangeError(`${name} must be a finite number of at least 0, got ${value}`);
  }
  return value;
}
