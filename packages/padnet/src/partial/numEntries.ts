/** Entries of a weight of `shape`. */
export function numEntries(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
