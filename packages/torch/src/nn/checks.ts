/** Checks that the constructors of layers make of their options; every failure names the option and the value. */

export type Single = readonly [length: number];
export type Pair = readonly [height: number, width: number];
export type Triple = readonly [depth: number, height: number, width: number];

/** @throws RangeError unless `value` is a whole number of at least `least` */
export function checkWhole(name: string, value: number, least: number): number {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`${name} must be a whole number of at least ${least}, got ${value}`);
  }
  return value;
}

/**
 * A size for each of `dims` dimensions; one number stands for all.
 *
 * @throws RangeError unless all are whole numbers of at least `least`, and as many as dimensions
 */
export function checkSizes<Size extends readonly number[]>(
  name: string,
  value: number | Size,
  dims: Size['length'],
  least: number,
): Size {
  const sizes = typeof value === 'number' ? Array<number>(dims).fill(value) : value;
  if (sizes.length !== dims)
    throw new RangeError(`${name} must be a number or ${dims} of them, got [${sizes.join(', ')}]`);
  for (const size of sizes) checkWhole(name, size, least);
  return sizes as Size;
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
