/** How long things take in this process. */
import { scope } from '@padnet/torch';
import { median } from '../statistics.js';

/** Seconds that a call takes; the tensors that it makes are freed. */
export function secondsOf(body: () => unknown): number {
  const start = performance.now();
  scope(() => void body());
  return (performance.now() - start) / 1000;
}

/** The median of calls, after some that do not count: in these memory is allocated and code is compiled. */
export function medianSeconds(body: () => unknown, repeats: number, warmUps = 1): number {
  const seconds = Array.from({ length: warmUps + repeats }, () => secondsOf(body));
  return median(seconds.slice(warmUps));
}

/**
 * Runs every task `repeats` times in turns (A B C A B C …), so that what slows the machine for a while slows all of
 * them.
 */
export function interleaved<K extends string>(
  tasks: Readonly<Record<K, () => number>>,
  repeats: number,
): Record<K, number[]> {
  const names = Object.keys(tasks) as K[];
  const values = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<K, number[]>;
  for (let repeat = 0; repeat < repeats; repeat++) for (const name of names) values[name].push(tasks[name]());
  return values;
}
