/** `padnet bench`: what things cost on this machine. */
import type { Command } from 'commander';
import { benchOperators } from '../bench/ops.js';
import { formatPercent } from '../report/format.js';
import { alignGrid } from '../report/grid.js';
import { describeEnvironment } from '../runs/index.js';
import { registerImp } from './benchImp.js';
import { registerLayer } from './benchLayer.js';
import { registerLoader } from './benchLoader.js';
import { registerMoE } from './benchMoe.js';
import { registerInference, registerStep } from './benchPasses.js';
import { wholeNumber, withExamples } from './options.js';
import type { Terminal } from './terminal.js';

export function register(bench: Command, terminal: Terminal): void {
  registerOps(bench, terminal);
  registerStep(bench, terminal);
  registerInference(bench, terminal);
  registerLayer(bench, terminal);
  registerImp(bench, terminal);
  registerMoE(bench, terminal);
  registerLoader(bench, terminal);
  withExamples(
    bench,
    'bench ops',
    'bench step --model resnet18 --size 224 --batch 16 --layer static,dyconv,pad',
    'bench inference --batch 1',
    'bench layer --in 512 --out 512 --size 7',
    'bench imp',
    'bench moe --tokens 1024 --in 768 --out 3072 --experts 8 --k 2',
    'bench loader',
  );
}

interface OpsOptions {
  readonly repeats: number;
  readonly json?: boolean;
}

function registerOps(bench: Command, terminal: Terminal): void {
  const command = bench
    .command('ops')
    .description("Measure the cost of calling an operator through libtorch's dispatcher, in microseconds.")
    .option('--repeats <number>', 'rounds, in turns', wholeNumber(1), 15)
    .option('--json', 'print the result as JSON')
    .action((options: OpsOptions) => {
      benchOps(options, terminal);
    });
  withExamples(command, 'bench ops --json');
}

function benchOps({ repeats, json }: OpsOptions, terminal: Terminal): void {
  const { targetMicroseconds, callMicroseconds, results } = benchOperators({ repeats });
  if (json) {
    terminal.printJson({ callMicroseconds, targetMicroseconds, results, environment: describeEnvironment() });
    return;
  }
  const rows = results.map(({ operator, microseconds, spread }) => [
    operator,
    microseconds.toFixed(2),
    formatPercent(spread),
  ]);
  terminal.print(alignGrid({ heading: ['operator', 'µs a call', 'spread'], rows, leftColumns: 1 }));
  terminal.print(`\na call costs ${callMicroseconds.toFixed(2)} µs; at most ${targetMicroseconds} is the target`);
}
