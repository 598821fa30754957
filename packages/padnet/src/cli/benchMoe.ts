/** `padnet bench moe`: one linear layer, dense, as a mixture of experts, and partial. */
import type { Command } from 'commander';
import { benchMoE, type MoECosts, type MoEKind } from '../bench/moe.js';
import { formatBytes, formatCount, formatPercent, formatRatio, formatSeconds } from '../report/format.js';
import { alignGrid } from '../report/grid.js';
import { describeEnvironment } from '../runs/index.js';
import { withThreadsAndJson } from './benchNetwork.js';
import { fraction, listOf, wholeNumber, withExamples } from './options.js';
import { roofCells, roofHeading, roofNote } from './roofColumns.js';
import type { Terminal } from './terminal.js';
import { UsageError } from './usageError.js';

const kinds = ['dense', 'moe', 'pad', 'pad-neuron'] as const satisfies readonly MoEKind[];

interface MoEOptions {
  readonly tokens: number;
  readonly in: number;
  readonly out: number;
  readonly experts: number;
  readonly k: number;
  readonly layer: readonly MoEKind[];
  readonly ratio: number;
  readonly repeats: number;
  readonly threads: number;
  readonly json?: boolean;
}

export function registerMoE(bench: Command, terminal: Terminal): void {
  const command = bench
    .command('moe')
    .description(
      'Measure forward and backward of a dense linear layer, a mixture of experts and partial ones (pad by entry, pad-neuron ' +
        'by neuron), in one process, in turns. Random tokens and a random router spread over all experts, as after training.',
    )
    .option('--tokens <number>', 'tokens in a batch', wholeNumber(1), 1024)
    .option('--in <number>', 'input features', wholeNumber(1), 768)
    .option('--out <number>', 'output features', wholeNumber(1), 3072)
    .option('--experts <number>', 'experts', wholeNumber(1), 8)
    .option('--k <number>', 'experts computed for each token', wholeNumber(1), 2)
    .option('--layer <names>', kinds.join(', '), listOf(kinds), [...kinds])
    .option('--ratio <number>', 'dynamic ratio of pad and pad-neuron', fraction, 0.5)
    .option('--repeats <number>', 'rounds', wholeNumber(1), 21);
  withThreadsAndJson(command).action((options: MoEOptions) => {
    benchMixtures(options, terminal);
  });
  withExamples(
    command,
    'bench moe --tokens 1024 --in 768 --out 3072 --experts 8 --k 2 --json',
    'bench moe --in 3072 --out 768 --layer dense,pad-neuron --ratio 0.3',
  );
}

function benchMixtures({ json, ...options }: MoEOptions, terminal: Terminal): void {
  const { tokens, in: inFeatures, out: outFeatures, experts, k, layer, ratio, repeats, threads } = options;
  if (k > experts) throw new UsageError(`--k: ${k} of ${experts} experts can not be chosen; give at most ${experts}`);
  const settings = { tokens, inFeatures, outFeatures, numExperts: experts, k, ratio, repeats, threads };
  const costs = benchMoE({ ...settings, layers: layer });
  if (json) {
    terminal.printJson({ ...settings, ...costs, environment: { ...describeEnvironment(), threads } });
    return;
  }
  terminal.print(
    `${tokens} tokens, ${inFeatures} → ${outFeatures}, top ${k} of ${experts}, κ = ${ratio}, ${threads} threads, ` +
      `medians of ${repeats}\n`,
  );
  terminal.print(mixtureTable(costs));
  const work = {
    arithmetic: 'of each token its static entries once and its dynamic ones k times',
    moved: 'weights and tokens',
  };
  terminal.print(`\n${roofNote(costs.peaks, work)}`);
}

function mixtureTable({ results }: MoECosts): string {
  const rows = results.map((cost) => [
    cost.layer,
    formatSeconds(cost.stepSeconds),
    formatRatio(cost.ratioToDense),
    formatBytes(cost.peakMemoryBytes),
    formatCount(cost.parameters),
    ...roofCells(cost),
    formatPercent(cost.spread),
  ]);
  const heading = ['layer', 'step', '× dense', 'peak memory', 'parameters', ...roofHeading, 'spread'];
  return alignGrid({ heading, rows, leftColumns: 1 });
}
