/** Numbers of repeated measurements. */

/** The middle value, or the mean of the middle two; NaN of no values. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Linear between neighbours. */
export function quantile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  if (sorted.length === 0) return NaN;
  const position = fraction * (sorted.length - 1);
  const below = sorted[Math.floor(position)]!;
  return below + (sorted[Math.ceil(position)]! - below) * (position % 1);
}

/** Distance of the quartiles over the median: 0.05 says that half of the values lie within 5 % of each other. */
export function spread(values: readonly number[]): number {
  return values.length === 0 ? 0 : (quantile(values, 0.75) - quantile(values, 0.25)) / median(values);
}

/** Runs every task `repeats` times in turns (A B C A B C …), so that what slows the machine for a while slows all of them. */
export function interleaved<K extends string>(
  tasks: Readonly<Record<K, () => number>>,
  repeats: number,
): Record<K, number[]> {
  const names = Object.keys(tasks) as K[];
  const values = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<K, number[]>;
  for (let repeat = 0; repeat < repeats; repeat++) for (const name of names) values[name].push(tasks[name]());
  return values;
}
