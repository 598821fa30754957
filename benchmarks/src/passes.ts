/**
 * The cost of a training step or inference of a whole network, by layer kind, and where Python has torch, that of the
 * same static network driven from there. Each turn is a process, whose peak memory is that of one network alone.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { pythonVersion, systemPython } from '../../packages/padnet/dist/cli/diagnosis.js';
import { fraction, listOf } from '../../packages/padnet/dist/cli/options.js';
import { count, measurement, option, optional, type Outcome, type Values } from './command.js';
import { inTurns, type Measured, type Sample } from './measure.js';
import { networkLayers, networkOptions, networkShape, staticMacs } from './networks.js';
import type { NetworkLayer, NetworkShape } from './networks.js';
import { machinePeaks, roofline, roofNote } from './roofline.js';

/** The task of one measuring process. */
export interface Job extends NetworkShape {
  /** A training step (forward, cross-entropy, backward, SGD with momentum), or a forward pass in evaluation mode. */
  readonly pass: 'step' | 'inference';
  readonly layer: NetworkLayer;
  /** κ of partial layers. */
  readonly ratio: number;
  readonly threads: number;
  /** Untimed passes: threads start, memory is allocated, code is compiled. */
  readonly warmUps: number;
  readonly passes: number;
}

/** The answer of such a process. */
export interface Turn {
  readonly samples: readonly Sample[];
  /** Stored numbers that are trained (compact form); masks are extra. */
  readonly parameters: number;
  /** Largest resident memory of the process. */
  readonly peakMemoryBytes: number;
}

const kinds = `${networkLayers.join(', ')}; composed: of libtorch's operators`;
const passOptions = (batch: number, steps: number) => ({
  ...networkOptions(batch),
  layer: option<readonly NetworkLayer[]>('--layer <names>', kinds, listOf(networkLayers), ['static', 'dyconv', 'pad']),
  ratio: option('--ratio <number>', 'dynamic ratio of partial layers', fraction, 0.3),
  steps: count('--steps', 'timed passes in each round', steps),
  repeats: count('--repeats', 'rounds', 3),
  python: optional<string | boolean>('--python [path]', "compare with this Python's torch (default: Debian's, if any)"),
  noPython: optional<boolean>('--no-python', 'do not compare with Python'),
});
type PassOptions = Values<ReturnType<typeof passOptions>>;

const compared =
  'of each layer kind, and of the same static network driven from Python where that has torch, in turns.';

export const addStep = measurement(
  'step',
  `Measure a training step (forward, cross-entropy, backward, SGD with momentum) ${compared}`,
  passOptions(16, 5),
  (options) => measurePasses('step', options),
);

export const addInference = measurement(
  'inference',
  `Measure a forward pass in evaluation mode, without gradients, ${compared}`,
  passOptions(1, 20),
  (options) => measurePasses('inference', options),
);

const ourChild = fileURLToPath(new URL('./networkChild.js', import.meta.url));
const pythonChild = fileURLToPath(new URL('../reference_network.py', import.meta.url));

async function measurePasses(pass: Job['pass'], options: PassOptions & { threads: number }): Promise<Outcome> {
  const { layer: layers, ratio, steps, repeats, threads } = options;
  const shape = networkShape(options);
  const job = { ...shape, pass, ratio, threads, warmUps: 2, passes: steps };
  const python = choosePython(options);
  const names = [...layers, ...(python === null ? [] : ['python-static' as const])];
  const turns: (Turn & { readonly name: string })[] = [];
  const takeTurns = (name: (typeof names)[number]) => async (): Promise<readonly Sample[]> => {
    const [program, script] = name === 'python-static' ? [python!, pythonChild] : [process.execPath, ourChild];
    const turn = await takeTurn(program, script, { ...job, layer: name === 'python-static' ? 'static' : name });
    turns.push({ name, ...turn });
    return turn.samples;
  };
  const subjects = Object.fromEntries(names.map((name) => [name, takeTurns(name)] as const));
  const measured: Partial<Record<string, Measured>> = await inTurns(subjects, repeats);
  const macs = staticMacs(shape);
  const results = names.map((name) => {
    const mine = measured[name]!;
    const { seconds } = mine.cost;
    const own = turns.filter((turn) => turn.name === name);
    const { parameters } = own[0]!;
    return {
      layer: name,
      ...mine.cost,
      ratioToStatic: mine.ratioTo(measured.static),
      ratioToPython: mine.ratioTo(measured['python-static']),
      imagesPerSecond: shape.batch / seconds,
      peakMemoryBytes: Math.max(...own.map(({ peakMemoryBytes }) => peakMemoryBytes)),
      parameters,
      passes: steps * repeats,
      ...roofline({ macs, parameters }, pass === 'step' ? 'step' : 'forward', seconds),
    };
  });
  const staticToPython = results.find(({ layer }) => layer === 'static')?.ratioToPython ?? null;
  return {
    settings: { ...shape, pass, ratio, steps, repeats },
    found: { results, staticToPython, peaks: machinePeaks() },
    rows: results,
    note: roofNote("the static network's arithmetic", 'the parameters'),
  };
}

async function takeTurn(program: string, script: string, job: Job): Promise<Turn> {
  const threads = String(job.threads);
  const env = { ...process.env, OMP_NUM_THREADS: threads, OPENBLAS_NUM_THREADS: threads };
  const { stdout } = await promisify(execFile)(program, [script, JSON.stringify(job)], { env });
  return JSON.parse(stdout) as Turn;
}

/**
 * One that was asked for, be it without torch: what is wrong with it, its process says; else Debian's, if it has the
 * network.
 */
function choosePython({ python, model, stem }: PassOptions): string | null {
  if (typeof python === 'string') return python;
  if (python !== undefined) return python ? systemPython : null;
  if (model === 'mobilenetV2' && stem === 'small') return null;
  return pythonVersion(systemPython, model === 'mobilenetV2' ? 'torchvision' : 'torch') === null ? null : systemPython;
}
