/** `padnet bench imp`: what searching masks costs. */
import type { Command } from 'commander';
import { benchImp, type ImpCosts, type ImpTime } from '../bench/imp.js';
import { formatBytes, formatPercent, formatRatio, formatSeconds } from '../report/format.js';
import { alignGrid } from '../report/grid.js';
import { describeEnvironment } from '../runs/index.js';
import { networkShape, withNetworkOptions, withThreadsAndJson, type NetworkOptions } from './benchNetwork.js';
import { fraction, oneOf, wholeNumber, withExamples } from './options.js';
import type { Terminal } from './terminal.js';

const granularities = ['entry', 'kernel', 'filter'] as const;

interface ImpOptions extends NetworkOptions {
  readonly ratio: number;
  readonly rounds: number;
  readonly granularity: (typeof granularities)[number];
  readonly batches: number;
  readonly steps: number;
  readonly repeats: number;
  readonly threads: number;
  readonly json?: boolean;
}

export function registerImp(bench: Command, terminal: Terminal): void {
  const command = bench
    .command('imp')
    .description(
      'Measure the rounds of Iterative Mode Partition (scores of each batch, then the choice of masks) relative to a training ' +
        'step of the partial network, in one process, in turns.',
    );
  withNetworkOptions(command, 16)
    .option('--ratio <number>', 'dynamic ratio', fraction, 0.3)
    .option('--rounds <number>', 'rounds of the partition', wholeNumber(1), 3)
    .option('--granularity <name>', granularities.join(', '), oneOf(granularities), 'entry')
    .option('--batches <number>', 'batches of the partition set, over which the choice is spread', wholeNumber(1), 10)
    .option('--steps <number>', 'timed batches of each round, and timed steps', wholeNumber(1), 2)
    .option('--repeats <number>', 'repeats, in turns', wholeNumber(1), 3);
  withThreadsAndJson(command).action((options: ImpOptions) => benchImps(options, terminal));
  withExamples(command, 'bench imp --model resnet18 --size 224 --batch 16');
}

async function benchImps(options: ImpOptions, terminal: Terminal): Promise<void> {
  const { json, ratio, rounds, granularity, batches, steps, repeats, threads } = options;
  const shape = networkShape(options);
  const settings = { ...shape, ratio, rounds, granularity, batches, steps, repeats, threads };
  const costs = await benchImp({ ...settings, signal: terminal.closed });
  if (json) {
    terminal.printJson({ ...settings, ...costs, environment: { ...describeEnvironment(), threads } });
    return;
  }
  terminal.print(
    `${shape.model}, ${shape.size}×${shape.size}, batch ${shape.batch}, κ = ${ratio} by ${granularity}, ${rounds} rounds, ` +
      `${threads} threads, medians of ${repeats}\n`,
  );
  terminal.print(impTable(costs, batches));
  terminal.print(
    `\na batch of a round takes ${formatRatio(costs.batch.ratioToStep)} ordinary steps; at most ${costs.targetRatio} is the target`,
  );
}

function impTable({ step, unmaskedStep, scoring, choosing, batch }: ImpCosts, batches: number): string {
  const row = (name: string, time: ImpTime): string[] => [
    name,
    formatSeconds(time.seconds),
    formatRatio(time.ratioToStep),
    formatBytes(time.workingMemoryBytes),
    formatPercent(time.spread),
  ];
  const rows = [
    row('step of the partial network', step),
    row('step before, every entry dynamic', unmaskedStep),
    row('scores of a batch', scoring),
    row('masks of a round', choosing),
    row(`a batch of a round, with 1/${batches} of its masks`, batch),
  ];
  return alignGrid({ heading: ['', 'time', '× step', 'working memory', 'spread'], rows, leftColumns: 1 });
}
