/** `padnet calibrate`: how fast each way to compute a dynamic convolution is here, and how well the fastest is foreseen. */
import { availableParallelism } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import type { Command } from 'commander';
import { measurePlans, planCases, planQuality, ratesOf, type PlanTimes } from '../analysis/calibration.js';
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
import { wholeNumber, withExamples } from './options.js';
import type { Terminal } from './terminal.js';

interface CalibrateOptions {
  readonly repeats: number;
  readonly threads: number;
  readonly save: boolean;
  readonly json?: boolean;
}

export function register(command: Command, terminal: Terminal): void {
  command
    .option('--repeats <number>', 'timed passes of each plan, in turns', wholeNumber(1), 5)
    .option('--threads <number>', 'threads (default: all cores)', wholeNumber(1), availableParallelism())
    .option('--no-save', 'say what is measured, and choose by the rates of before')
    .option('--json', 'print the result as JSON')
    .action((options: CalibrateOptions) => calibrate(options, terminal));
  withExamples(command, 'calibrate', 'calibrate --no-save');
}

async function calibrate({ repeats, threads, save, json }: CalibrateOptions, terminal: Terminal): Promise<void> {
  const times: PlanTimes[] = [];
  for (const found of measurePlans(planCases, repeats, threads)) {
    times.push(...found);
    await setImmediate(); // what stops the process is heard
    terminal.closed.throwIfAborted();
    const measured = times.length / directions.length;
    if (terminal.isInteractive && !json && measured % 10 === 0)
      terminal.remark(`${measured} of ${planCases.length} layers`);
  }
  const rates = ratesOf(times);
  const { rates: used, file } = loadMachineRates();
  const quality = {
    used: planQuality(times, used),
    measured: planQuality(times, rates),
    fused: planQuality(times, 'fused'),
  };
  const saved = save ? ratesFile() : null;
  if (saved !== null) writeMachineRates(saved, rates);
  if (json) {
    const environment = { ...describeEnvironment(), threads };
    terminal.printJson({ rates, quality, machine: thisMachine(), saved, times, environment });
    return;
  }
  terminal.print(`${planCases.length} layers, forward alone and with backward, ${threads} threads\n`);
  const choosers = [
    [file === null ? 'default rates' : 'rates in use', quality.used],
    ['rates measured now', quality.measured],
    ['always fused', quality.fused],
  ] as const;
  const choices = choosers.map(([name, { fastest, meanLoss, mostLoss }]) => [
    name,
    ...[fastest, meanLoss, mostLoss].map((share) => formatPercent(share)),
  ]);
  terminal.print(alignGrid({ heading: ['chosen by', 'fastest', 'mean loss', 'most'], rows: choices, leftColumns: 1 }));
  const units = workKinds.map((kind) => [kind, ...directions.map((each) => formatSeconds(rates[each][kind]))]);
  terminal.print(`\n${alignGrid({ heading: ['seconds a unit', ...directions], rows: units, leftColumns: 1 })}`);
  terminal.print(saved === null ? '\nnot saved: plans are chosen as before' : `\nsaved: ${saved}`);
}
