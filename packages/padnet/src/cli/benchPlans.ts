/** `padnet bench plans`: how fast each way to compute a dynamic convolution is here, and how well the fastest is foreseen. */
import type { Command } from 'commander';
import { fusedQuality, measurePlans, planCases, planQuality, ratesOf, type PlanQuality } from '../bench/plans.js';
import {
  directions,
  loadMachineRates,
  ratesFile,
  thisMachine,
  workKinds,
  writeMachineRates,
} from '../compute/index.js';
import { describeEnvironment } from '../runs/index.js';
import { formatPercent, formatSeconds } from '../report/format.js';
import { alignGrid } from '../report/grid.js';
import { withThreadsAndJson } from './benchNetwork.js';
import { wholeNumber, withExamples } from './options.js';
import type { Terminal } from './terminal.js';

interface PlansOptions {
  readonly repeats: number;
  readonly threads: number;
  readonly save?: boolean;
  readonly json?: boolean;
}

export function registerPlans(bench: Command, terminal: Terminal): void {
  const command = bench
    .command('plans')
    .description(
      'Measure every plan of dynamic convolutions over layers of ResNets and MobileNetV2, fit the rates that plans are ' +
        'chosen by, and say how good the choices are. Takes minutes.',
    )
    .option('--repeats <number>', 'timed passes of each plan, in turns', wholeNumber(1), 5)
    .option('--save', 'choose by these rates from now on, on this machine');
  withThreadsAndJson(command).action((options: PlansOptions) => benchPlans(options, terminal));
  withExamples(command, 'bench plans', 'bench plans --save');
}

async function benchPlans({ repeats, threads, save = false, json }: PlansOptions, terminal: Terminal): Promise<void> {
  const times = await measurePlans(planCases, {
    repeats,
    threads,
    signal: terminal.closed,
    onCase: (index) => {
      if (terminal.isInteractive && !json && index % 10 === 0) {
        terminal.remark(`case ${index + 1} of ${planCases.length}`);
      }
    },
  });
  const rates = ratesOf(times);
  const { rates: used, file } = loadMachineRates();
  const quality = { used: planQuality(times, used), measured: planQuality(times, rates), fused: fusedQuality(times) };
  const saved = save ? ratesFile() : null;
  if (saved !== null) writeMachineRates(saved, rates);
  if (json) {
    const environment = { ...describeEnvironment(), threads };
    terminal.printJson({ rates, quality, machine: thisMachine(), saved, times, environment });
    return;
  }
  terminal.print(`${planCases.length} layers, forward alone and with backward, ${threads} threads\n`);
  const row = (name: string, { fastest, meanLoss, mostLoss }: PlanQuality): string[] => [
    name,
    formatPercent(fastest),
    formatPercent(meanLoss),
    formatPercent(mostLoss),
  ];
  const rows = [
    row(file === null ? 'default rates' : 'rates in use', quality.used),
    row('rates measured now', quality.measured),
    row('always fused', quality.fused),
  ];
  terminal.print(alignGrid({ heading: ['chosen by', 'fastest', 'mean loss', 'most'], rows, leftColumns: 1 }));
  terminal.print('');
  const rateRows = workKinds.map((kind) => [
    kind,
    ...directions.map((direction) => formatSeconds(rates[direction][kind])),
  ]);
  terminal.print(alignGrid({ heading: ['seconds a unit', ...directions], rows: rateRows, leftColumns: 1 }));
  terminal.print(saved === null ? '\n--save chooses plans by these rates from now on' : `\nsaved: ${saved}`);
}
