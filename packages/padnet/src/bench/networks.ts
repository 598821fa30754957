/**
 * What a training step or inference of a whole network costs, by layer kind. Each kind runs in a process of its own, so that
 * peak memory is its own; the processes take turns (A B C A B C …), and where Python has torch, the same static network driven
 * from there takes turns with them.
 */
import { fileURLToPath } from 'node:url';
import { setNumThreads, getNumThreads } from '@padnet/torch';
import { median } from '../statistics.js';
import { staticMacs, type BenchLayer, type NetworkShape } from './benchNetwork.js';
import { NetworkProcess } from './networkProcess.js';
import { referenceProgram } from './python.js';
import { medianPeaks, networkWork, roofline, type MachinePeaks, type Roofline } from './roofline.js';
import { machinePeaks } from './speed.js';
import { spread } from './repeats.js';

/** What a process is asked to measure. */
export interface NetworkJob extends NetworkShape {
  /** A training step (forward, cross-entropy, backward, SGD with momentum), or a forward pass in evaluation mode. */
  readonly pass: 'step' | 'inference';
  readonly layer: BenchLayer;
  /** κ of partial layers. */
  readonly ratio: number;
  readonly threads: number;
}

export interface NetworkBenchOptions extends Omit<NetworkJob, 'layer'> {
  readonly layers: readonly BenchLayer[];
  /** Timed passes of each kind in each round. */
  readonly passes: number;
  readonly repeats: number;
  /** A Python whose torch runs the static network too; null for none. */
  readonly python: string | null;
  /** Called before each round of a kind. */
  readonly onRound?: (layer: NetworkLayer, round: number) => void;
  readonly signal?: AbortSignal;
}

export type NetworkLayer = BenchLayer | 'python-static';

export interface NetworkCost extends Roofline {
  readonly layer: NetworkLayer;
  /** Median of a pass. */
  readonly seconds: number;
  readonly imagesPerSecond: number;
  /** Largest resident memory of the process. */
  readonly peakMemoryBytes: number;
  /** Stored numbers that are trained (compact form); masks are extra. */
  readonly parameters: number;
  /** Distance of the quartiles of all passes over their median. */
  readonly spread: number;
  /** Time over that of the static network, median of the rounds; null without a static one. */
  readonly ratioToStatic: number | null;
  /** The same over the static network that Python drives; null without it. */
  readonly ratioToPython: number | null;
  readonly passes: number;
}

export interface NetworkCosts {
  readonly results: readonly NetworkCost[];
  /** Time of `static` over that of `python-static`, median of the rounds; null without one of them. */
  readonly staticToPython: number | null;
  /** Measured between the rounds. */
  readonly peaks: MachinePeaks;
}

/** Untimed passes of each process: threads start, memory is allocated, code is compiled. */
const warmUpPasses = 2;

export async function benchNetworks(options: NetworkBenchOptions): Promise<NetworkCosts> {
  const { layers, passes, repeats, python, onRound, signal, ...job } = options;
  const program = fileURLToPath(new URL('./networkChild.js', import.meta.url));
  const kinds: NetworkLayer[] = [...layers, ...(python === null ? [] : ['python-static' as const])];
  const processes = new Map<NetworkLayer, NetworkProcess>();
  const rounds = new Map<NetworkLayer, number[][]>(kinds.map((kind) => [kind, []]));
  const peaks: MachinePeaks[] = [];
  const threadsBefore = getNumThreads();
  setNumThreads(job.threads);
  try {
    for (let round = 0; round < repeats; round++) {
      peaks.push(machinePeaks());
      for (const kind of kinds) {
        signal?.throwIfAborted();
        onRound?.(kind, round);
        let child = processes.get(kind);
        if (!child) {
          const layer = kind === 'python-static' ? 'static' : kind;
          const [command, script] =
            kind === 'python-static' ? [python!, referenceProgram] : [process.execPath, program];
          child = new NetworkProcess(kind, command, [script, JSON.stringify({ ...job, layer })], job.threads);
          processes.set(kind, child);
          await child.run(warmUpPasses);
        }
        rounds.get(kind)!.push(await child.run(passes));
      }
    }
    const ends = new Map<NetworkLayer, Awaited<ReturnType<NetworkProcess['end']>>>();
    for (const [kind, child] of processes) ends.set(kind, await child.end());
    return summarise(options, rounds, ends, medianPeaks(peaks));
  } finally {
    for (const child of processes.values()) child.kill();
    setNumThreads(threadsBefore);
  }
}

function summarise(
  shape: NetworkShape & Pick<NetworkJob, 'pass'>,
  rounds: ReadonlyMap<NetworkLayer, readonly (readonly number[])[]>,
  ends: ReadonlyMap<NetworkLayer, { readonly parameters: number; readonly peakMemoryBytes: number }>,
  peaks: MachinePeaks,
): NetworkCosts {
  const ratio = (kind: NetworkLayer, other: NetworkLayer): number | null => {
    const [mine, theirs] = [rounds.get(kind), rounds.get(other)];
    return mine && theirs ? median(mine.map((passes, round) => median(passes) / median(theirs[round]!))) : null;
  };
  const macs = staticMacs(shape);
  const results = Array.from(rounds, ([layer, measured]) => {
    const all = measured.flat();
    const seconds = median(all);
    const { parameters, peakMemoryBytes } = ends.get(layer)!;
    const work = networkWork(macs, parameters, shape.pass === 'step' ? 'step' : 'forward');
    return {
      layer,
      seconds,
      imagesPerSecond: shape.batch / seconds,
      peakMemoryBytes,
      parameters,
      spread: spread(all),
      ratioToStatic: ratio(layer, 'static'),
      ratioToPython: ratio(layer, 'python-static'),
      passes: all.length,
      ...roofline(work, peaks, seconds),
    };
  });
  return { results, staticToPython: ratio('static', 'python-static'), peaks };
}
