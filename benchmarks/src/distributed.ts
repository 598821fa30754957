/** `npm run bench -- distributed`: two ranks of one thread against one, on one machine, each pinned to a core. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { freePort } from '@padnet/torch/distributed/environment';
import { rankVariables } from '@padnet/torch/testing';
import { fraction } from '../../packages/padnet/dist/cli/options.js';
import { median } from '../../packages/padnet/dist/statistics.js';
import { count, measurement, option } from './command.js';
import { spread } from './measure.js';
import { networkOptions, networkShape, type NetworkShape } from './networks.js';

const layers = ['static', 'dyconv', 'pad'] as const;
export type DistributedLayer = (typeof layers)[number];

export interface DistributedJob extends NetworkShape {
  readonly layer: DistributedLayer;
  readonly ratio: number;
  readonly threads: number;
  readonly steps: number;
  readonly bucketBytes: number;
}

/** What a process measured, of each step: seconds, those of its processor, and those of waiting for sums at the end. */
export interface DistributedTurn {
  readonly seconds: readonly number[];
  readonly processorSeconds: readonly number[];
  readonly waitSeconds: readonly number[];
  /** Numbers that are summed over the ranks in a step. */
  readonly gradients: number;
}

const program = new URL('./distributedChild.js', import.meta.url).pathname;

/** What several did in turn: the longest time of each step. */
interface Turn extends DistributedTurn {
  /** The part of the wait that is for the other rank, which is slower in this step. */
  readonly skewSeconds: readonly number[];
}

/**
 * One turn of so many processes, each pinned to `threads` cores: ranks of one training, or `apart`, which know nothing
 * of each other. The rank that waits least has waited for no other: that is what backward did not cover.
 */
async function turn(job: DistributedJob, processes: number, kind: 'ranks' | 'apart'): Promise<Turn> {
  const port = await freePort();
  const children = Array.from({ length: processes }, (_, index) => {
    const first = index * job.threads;
    const cores = `${first}-${first + job.threads - 1}`;
    const variables = kind === 'ranks' ? rankVariables(index, processes, port) : {};
    return spawn('taskset', ['-c', cores, process.execPath, program, JSON.stringify(job)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...variables, OMP_NUM_THREADS: String(job.threads) },
    });
  });
  const turns = await Promise.all(
    children.map(async (child) => {
      let text = '';
      child.stdout.on('data', (part) => (text += String(part)));
      const [code] = (await once(child, 'close')) as [number | null];
      if (code !== 0) throw new Error(`a process ended with code ${code}`);
      return JSON.parse(text) as DistributedTurn;
    }),
  );
  const [first] = turns as [DistributedTurn];
  const ofSteps = (key: 'seconds' | 'processorSeconds' | 'waitSeconds', choose: typeof Math.max): number[] =>
    first[key].map((_, step) => choose(...turns.map((each) => each[key][step]!)));
  const waitSeconds = ofSteps('waitSeconds', Math.min);
  return {
    seconds: ofSteps('seconds', Math.max),
    processorSeconds: ofSteps('processorSeconds', Math.max),
    waitSeconds,
    skewSeconds: ofSteps('waitSeconds', Math.max).map((most, step) => most - waitSeconds[step]!),
    gradients: first.gradients,
  };
}

export const addDistributed = measurement(
  'distributed',
  'Times training steps of two ranks with one thread each, beside one rank, and one process of two threads.',
  {
    ...networkOptions(16),
    ratio: option('--ratio <number>', 'dynamic ratio of partial layers', fraction, 0.3),
    rounds: count('--rounds', 'rounds, in turns', 5),
    steps: count('--steps', 'steps of each in a round, after two more', 4),
    bucketBytes: count('--bucket-bytes', 'bytes of a bucket of gradients', 4_000_000),
  },
  async (values) => {
    const { ratio, rounds, steps, bucketBytes } = values;
    const shape = networkShape(values);
    const found = [];
    for (const layer of layers) {
      const job = { ...shape, layer, ratio, steps, bucketBytes, threads: 1 };
      const all: Record<'one' | 'two' | 'apart' | 'threads', Turn[]> = { one: [], two: [], apart: [], threads: [] };
      for (let round = 0; round < rounds; round++) {
        if (process.stderr.isTTY) process.stderr.write(`${layer}: round ${round + 1} of ${rounds}\n`);
        all.one.push(await turn(job, 1, 'apart'));
        all.two.push(await turn(job, 2, 'ranks'));
        all.apart.push(await turn(job, 2, 'apart'));
        all.threads.push(await turn({ ...job, threads: 2, batch: 2 * shape.batch }, 1, 'apart'));
      }
      const stepSeconds = (turns: readonly DistributedTurn[]): number =>
        median(turns.flatMap(({ seconds }) => seconds));
      const ratioOf = (a: readonly Turn[], key: 'seconds' | 'processorSeconds' = 'seconds'): number[] =>
        a.map((each, round) => (2 * median(all.one[round]![key])) / median(each[key]));
      found.push({
        layer,
        gradients: all.two[0]!.gradients,
        oneRankSeconds: stepSeconds(all.one),
        twoRanksSeconds: stepSeconds(all.two),
        twoApartSeconds: stepSeconds(all.apart),
        twoThreadsSeconds: stepSeconds(all.threads),
        speedUp: median(ratioOf(all.two)),
        speedUpSpread: spread(ratioOf(all.two)),
        speedUpByProcessor: median(ratioOf(all.two, 'processorSeconds')),
        speedUpApart: median(ratioOf(all.apart)),
        speedUpApartSpread: spread(ratioOf(all.apart)),
        speedUpApartByProcessor: median(ratioOf(all.apart, 'processorSeconds')),
        speedUpOfThreads: median(ratioOf(all.threads)),
        waitMilliseconds: 1000 * median(all.two.flatMap(({ waitSeconds }) => waitSeconds)),
        skewMilliseconds: 1000 * median(all.two.flatMap(({ skewSeconds }) => skewSeconds)),
      });
    }
    return {
      settings: { ...shape, ratio, rounds, steps, bucketBytes },
      found: { networks: found, atLeast: 1.85, waitAtMost: 25 },
      rows: found.map((each) => ({
        layer: each.layer,
        'one rank': `${(1000 * each.oneRankSeconds).toFixed(0)} ms`,
        'two ranks': `${(1000 * each.twoRanksSeconds).toFixed(0)} ms`,
        'two threads': `${(1000 * each.twoThreadsSeconds).toFixed(0)} ms`,
        'ranks, times one': each.speedUp.toFixed(2),
        'by processor': each.speedUpByProcessor.toFixed(2),
        'at least': '1.85',
        'apart, times one': each.speedUpApart.toFixed(2),
        'threads, times one': each.speedUpOfThreads.toFixed(2),
        wait: `${each.waitMilliseconds.toFixed(1)} ms`,
        'wait at most': '25 ms',
        skew: `${each.skewMilliseconds.toFixed(0)} ms`,
        gradients: each.gradients.toLocaleString('en'),
      })),
      note:
        'Two ranks, and two threads, take twice the pictures of one rank in a step. Apart: two processes side by ' +
        'side that exchange nothing, which is the most that ranks can reach on this machine.',
    };
  },
);
