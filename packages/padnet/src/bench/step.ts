/**
 * What a training step costs, by layer kind. Each kind runs in a process of its own, so that peak memory is its own; the
 * processes take turns (A B C A B C …), and where Python has torch, the same static network driven from there takes turns
 * with them.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { LayerKind, ModelOptions } from '../models/index.js';
import { StepProcess } from './stepProcess.js';
import { median, spread } from './statistics.js';

/** `pad` has masks by entry, `pad-filter` by filter. */
export type BenchLayer = LayerKind | 'pad-filter';

/** What a process is asked to measure. */
export interface StepJob {
  readonly model: ModelOptions['name'];
  readonly layer: BenchLayer;
  readonly stem: ModelOptions['stem'];
  /** Channels of the first stage; null for the published number. */
  readonly width: number | null;
  readonly inChannels: number;
  readonly numClasses: number;
  /** Pixels of a side of the pictures. */
  readonly size: number;
  readonly batch: number;
  /** κ of `pad` and `pad-filter`. */
  readonly ratio: number;
  readonly threads: number;
}

export interface StepBenchOptions extends Omit<StepJob, 'layer'> {
  readonly layers: readonly BenchLayer[];
  /** Timed steps of each kind in each round. */
  readonly steps: number;
  readonly repeats: number;
  /** A Python whose torch runs the static network too; null for none. */
  readonly python: string | null;
  /** Called before each round of a kind. */
  readonly onRound?: (layer: StepLayer, round: number) => void;
  readonly signal?: AbortSignal;
}

export type StepLayer = BenchLayer | 'python-static';

export interface StepCost {
  readonly layer: StepLayer;
  /** Median. */
  readonly stepSeconds: number;
  readonly imagesPerSecond: number;
  /** Largest resident memory of the process. */
  readonly peakMemoryBytes: number;
  /** Stored numbers that are trained (compact form); masks are extra. */
  readonly parameters: number;
  /** Distance of the quartiles of all steps over their median. */
  readonly spread: number;
  /** Step time over that of the static network, median of the rounds; null without a static one. */
  readonly ratioToStatic: number | null;
  /** The same over the static network that Python drives; null without it. */
  readonly ratioToPython: number | null;
  readonly steps: number;
}

export interface StepCosts {
  readonly results: readonly StepCost[];
  /** Step time of `static` over that of `python-static`, median of the rounds; null without one of them. */
  readonly staticToPython: number | null;
}

/** Untimed steps of each process: threads start, memory is allocated, code is compiled. */
const warmUpSteps = 2;

export async function benchStep(options: StepBenchOptions): Promise<StepCosts> {
  const { layers, steps, repeats, python, onRound, signal, ...job } = options;
  const program = fileURLToPath(new URL('./stepChild.js', import.meta.url));
  const kinds: StepLayer[] = [...layers, ...(python === null ? [] : ['python-static' as const])];
  const processes = new Map<StepLayer, StepProcess>();
  const rounds = new Map<StepLayer, number[][]>(kinds.map((kind) => [kind, []]));
  try {
    for (let round = 0; round < repeats; round++) {
      for (const kind of kinds) {
        signal?.throwIfAborted();
        onRound?.(kind, round);
        let child = processes.get(kind);
        if (!child) {
          const layer = kind === 'python-static' ? 'static' : kind;
          const [command, script] =
            kind === 'python-static' ? [python!, referenceProgram] : [process.execPath, program];
          child = new StepProcess(kind, command, [script, JSON.stringify({ ...job, layer })], job.threads);
          processes.set(kind, child);
          await child.run(warmUpSteps);
        }
        rounds.get(kind)!.push(await child.run(steps));
      }
    }
    const ends = new Map<StepLayer, Awaited<ReturnType<StepProcess['end']>>>();
    for (const [kind, child] of processes) ends.set(kind, await child.end());
    return summarise(kinds, rounds, ends, job.batch);
  } finally {
    for (const child of processes.values()) child.kill();
  }
}

function summarise(
  kinds: readonly StepLayer[],
  rounds: ReadonlyMap<StepLayer, readonly (readonly number[])[]>,
  ends: ReadonlyMap<StepLayer, { readonly parameters: number; readonly peakMemoryBytes: number }>,
  batch: number,
): StepCosts {
  const ratio = (kind: StepLayer, other: StepLayer): number | null => {
    const [mine, theirs] = [rounds.get(kind), rounds.get(other)];
    return mine && theirs ? median(mine.map((steps, round) => median(steps) / median(theirs[round]!))) : null;
  };
  const results = kinds.map((layer) => {
    const all = rounds.get(layer)!.flat();
    const stepSeconds = median(all);
    const { parameters, peakMemoryBytes } = ends.get(layer)!;
    return {
      layer,
      stepSeconds,
      imagesPerSecond: batch / stepSeconds,
      peakMemoryBytes,
      parameters,
      spread: spread(all),
      ratioToStatic: ratio(layer, 'static'),
      ratioToPython: ratio(layer, 'python-static'),
      steps: all.length,
    };
  });
  return { results, staticToPython: ratio('static', 'python-static') };
}

/** Debian's Python, which `python3-torch` belongs to. */
export const systemPython = '/usr/bin/python3';

const referenceProgram = fileURLToPath(new URL('../../bin/reference_step.py', import.meta.url));

/** The version of a Python's torch; null where it has none. */
export function pythonTorchVersion(python: string): string | null {
  try {
    return execFileSync(python, ['-c', 'import torch; print(torch.__version__)'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 60_000,
    }).trim();
  } catch {
    return null; // no such Python, or it has no torch
  }
}
