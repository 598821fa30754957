/** Numbers of repeated measurements. */
import { median, quantile } from '../statistics.js';

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
