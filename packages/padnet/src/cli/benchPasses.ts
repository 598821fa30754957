/** `padnet bench step | inference`: whole networks, each layer kind in a process of its own. */
import type { Command } from 'commander';
import type { BenchLayer } from '../bench/benchNetwork.js';
import { benchNetworks, type NetworkCosts } from '../bench/networks.js';
import { pythonVersion, systemPython } from '../bench/python.js';
import { formatBytes, formatCount, formatPercent, formatRatio, formatSeconds } from '../report/format.js';
import { alignGrid } from '../report/grid.js';
import { describeEnvironment } from '../runs/index.js';
import { networkShape, withNetworkOptions, withThreadsAndJson, type NetworkOptions } from './benchNetwork.js';
import { fraction, listOf, wholeNumber, withExamples } from './options.js';
import { roofCells, roofHeading, roofNote } from './roofColumns.js';
import type { Terminal } from './terminal.js';
import { UsageError } from './usageError.js';

const layers = [
  'static',
  'dyconv',
  'pad',
  'pad-filter',
  'dyconv-composed',
  'pad-composed',
] as const satisfies readonly BenchLayer[];

interface PassOptions extends NetworkOptions {
  readonly layer: readonly BenchLayer[];
  readonly ratio: number;
  readonly steps: number;
  readonly repeats: number;
  readonly threads: number;
  /** A path; `true` for Debian's; `false` for none. */
  readonly python?: string | boolean;
  readonly json?: boolean;
}

export function registerStep(bench: Command, terminal: Terminal): void {
  const command = bench
    .command('step')
    .description(
      'Measure a training step (forward, cross-entropy, backward, SGD with momentum) of each layer kind, each in a process of ' +
        'its own, in turns. Where Python has torch, the same static network driven from there takes part.',
    );
  withPassOptions(command, { batch: 16, steps: 5 }).action((options: PassOptions) =>
    benchPasses('step', options, terminal),
  );
  withExamples(command, 'bench step --model resnet18 --size 224 --batch 16 --layer static,dyconv,pad --json');
}

export function registerInference(bench: Command, terminal: Terminal): void {
  const command = bench
    .command('inference')
    .description(
      'Measure a forward pass in evaluation mode, without gradients, of each layer kind, each in a process of its own, in ' +
        'turns. Where Python has torch, the same static network driven from there takes part.',
    );
  withPassOptions(command, { batch: 1, steps: 20 }).action((options: PassOptions) =>
    benchPasses('inference', options, terminal),
  );
  withExamples(command, 'bench inference --model resnet18 --size 224 --batch 1 --layer static,dyconv,pad,pad-filter');
}

function withPassOptions(command: Command, { batch, steps }: { batch: number; steps: number }): Command {
  withNetworkOptions(command, batch)
    .option('--layer <names>', `${layers.join(', ')}; composed: of libtorch's operators`, listOf(layers), [
      'static',
      'dyconv',
      'pad',
    ])
    .option('--ratio <number>', 'dynamic ratio of partial layers', fraction, 0.3)
    .option('--steps <number>', 'timed passes in each round', wholeNumber(1), steps)
    .option('--repeats <number>', 'rounds', wholeNumber(1), 3)
    .option('--python [path]', "compare with this Python's torch (default: Debian's, where it has torch)")
    .option('--no-python', 'do not compare with Python');
  return withThreadsAndJson(command);
}

async function benchPasses(pass: 'step' | 'inference', options: PassOptions, terminal: Terminal): Promise<void> {
  const { layer, ratio, steps, repeats, threads } = options;
  const python = choosePython(options);
  const shape = networkShape(options);
  const costs = await benchNetworks({
    ...shape,
    pass,
    layers: layer,
    ratio,
    passes: steps,
    repeats,
    threads,
    python,
    onRound: (kind, round) => {
      if (terminal.isInteractive && !options.json) terminal.remark(`round ${round + 1} of ${repeats}: ${kind}`);
    },
    signal: terminal.closed,
  });
  if (options.json) {
    const environment = { ...describeEnvironment(), threads };
    terminal.printJson({ ...shape, pass, ratio, threads, ...costs, environment });
    return;
  }
  terminal.print(
    `${shape.model}, ${shape.size}×${shape.size}, batch ${shape.batch}, ${threads} threads, medians of ${repeats} × ${steps}\n`,
  );
  terminal.print(passTable(pass, costs));
  const work = { arithmetic: "the static network's arithmetic", moved: 'the parameters' };
  terminal.print(`\n${roofNote(costs.peaks, work)}`);
  if (costs.staticToPython !== null) {
    const ours = pass === 'step' ? 'static step' : 'static inference';
    terminal.print(`our ${ours} takes ${formatRatio(costs.staticToPython)} times Python's; at most 1.00 is the target`);
  }
}

function passTable(pass: 'step' | 'inference', { results }: NetworkCosts): string {
  const rows = results.map((result) => [
    result.layer,
    formatSeconds(result.seconds),
    formatRatio(result.ratioToStatic),
    formatRatio(result.ratioToPython),
    result.imagesPerSecond.toFixed(1),
    formatBytes(result.peakMemoryBytes),
    formatCount(result.parameters),
    ...roofCells(result),
    formatPercent(result.spread),
  ]);
  const heading = [
    'layer',
    pass,
    '× static',
    '× Python',
    'images/s',
    'peak memory',
    'parameters',
    ...roofHeading,
    'spread',
  ];
  return alignGrid({ heading, rows, leftColumns: 1 });
}

function choosePython({ python, model, stem }: PassOptions): string | null {
  if (python === false) return null;
  const path = typeof python === 'string' ? python : systemPython;
  const isMobile = model === 'mobilenetV2';
  const module = isMobile ? 'torchvision' : 'torch';
  const known = !isMobile || stem === 'imagenet';
  if (known && pythonVersion(path, module) !== null) return path;
  if (python === undefined) return null;
  if (!known) throw new UsageError("--python: torchvision's mobilenet_v2 has no small stem");
  throw new UsageError(
    `--python: ${path} has no ${module}; Debian's is installed with \`apt-get install python3-${module}\``,
  );
}
