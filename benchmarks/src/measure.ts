/** Runs that repeat in turns with those they are compared with, and the numbers that come of them. */
import { memoryUsage, scope } from '@padnet/torch';
import { median, quantile } from '../../packages/padnet/dist/statistics.js';

/** One run. */
export interface Sample {
  readonly seconds: number;
  /** Those of all threads together. */
  readonly processorSeconds: number;
  /** The most that tensors held meanwhile beside what they held before. */
  readonly bytes: number;
}

/** Starts to measure; what it returns ends that. */
export function measure(): () => Sample {
  const { allocated } = memoryUsage({ resetPeak: true });
  const processor = process.cpuUsage();
  const start = performance.now();
  return () => {
    const seconds = (performance.now() - start) / 1000;
    const { user, system } = process.cpuUsage(processor);
    return { seconds, processorSeconds: (user + system) / 1e6, bytes: memoryUsage().peak - allocated };
  };
}

/** Runs it once; the tensors that it makes are freed. */
export function sample(body: () => unknown): Sample {
  const end = measure();
  scope(() => void body());
  return end();
}

/** A subject of measurement: each call is a turn, of one run or of several. */
type Subject = (round: number) => Sample | readonly Sample[] | Promise<Sample | readonly Sample[]>;

/** The results of the turns of one subject. */
export class Measured {
  /** @param rounds the samples of each turn */
  constructor(readonly rounds: (readonly Sample[])[] = []) {}

  /** Medians, and the spread of the times. */
  get cost(): { readonly seconds: number; readonly processorSeconds: number; readonly spread: number } {
    const samples = this.rounds.flat();
    const seconds = samples.map((each) => each.seconds);
    const processorSeconds = median(samples.map((each) => each.processorSeconds));
    return { seconds: median(seconds), processorSeconds, spread: spread(seconds) };
  }

  get mostBytes(): number {
    return Math.max(...this.rounds.flat().map(({ bytes }) => bytes));
  }

  /** Time over that of another in the same round, median of the rounds; null where there is no other. */
  ratioTo(other: Measured | undefined): number | null {
    if (!other) return null;
    const medians = (samples: readonly Sample[]): number => median(samples.map(({ seconds }) => seconds));
    return median(this.rounds.map((samples, round) => medians(samples) / medians(other.rounds[round]!)));
  }
}

/** Distance of the quartiles over the median: 0.05 says that half of the values lie within 5 % of each other. */
export function spread(values: readonly number[]): number {
  return (quantile(values, 0.75) - quantile(values, 0.25)) / median(values);
}

/**
 * Gives all subjects their turns (A B C A B C …), so that what slows the machine for a while slows all of them.
 *
 * @param warmUps rounds before those: memory is allocated, code is compiled
 */
export async function inTurns<N extends string>(
  subjects: Readonly<Record<N, Subject>>,
  rounds: number,
  warmUps = 0,
): Promise<Readonly<Record<N, Measured>>> {
  const all = mapValues(subjects, () => new Measured());
  for (let round = -warmUps; round < rounds; round++) {
    if (process.stderr.isTTY) process.stderr.write(`round ${round + 1} of ${rounds}\n`);
    for (const [name, subject] of Object.entries<Subject>(subjects)) {
      const samples = [await subject(round)].flat();
      if (round >= 0) all[name as N].rounds.push(samples);
    }
  }
  return all;
}

export function mapValues<N extends string, A, B>(
  values: Readonly<Record<N, A>>,
  change: (value: A, name: N) => B,
): Record<N, B> {
  const entries = Object.entries<A>(values).map(([name, value]) => [name, change(value, name as N)]);
  return Object.fromEntries(entries) as Record<N, B>;
}
