/**
 * `padnet calibrate`: the speed here of each way to compute a dynamic convolution, and how well the fastest is
 * foreseen.
 */
import { availableParallelism } from 'node:os';
import { setImmediate } from 'node:timers/promises';
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
import { listing, type TableColumn } from '../report/table.js';
import { type Command, jsonOption, type OptionsOf, wholeNumber, withExamples } from './options.js';
import type { Terminal } from './terminal.js';

const define = (command: Command) =>
  withExamples(command, 'calibrate', 'calibrate --no-save')
    .option('--repeats <number>', 'timed passes of each plan, in turns', wholeNumber(1), 5)
    .option('--threads <number>', 'threads', wholeNumber(1), availableParallelism())
    .option('--no-save', 'say what is measured, and choose by the rates of before')
    .addOption(jsonOption());

export function register(command: Command, terminal: Terminal): void {
  define(command).action((options) => calibrate(options, terminal));
}

async function calibrate(options: OptionsOf<typeof define>, terminal: Terminal): Promise<void> {
  const { repeats, threads, save, json } = options;
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
  const environment = { ...describeEnvironment(), threads };
  terminal.result(json, { rates, quality, machine: thisMachine(), saved, times, environment }, () => [
    `${planCases.length} layers, forward alone and with backward, ${threads} threads`,
    '',
    listing(
      [
        { name: file === null ? 'default rates' : 'rates in use', ...quality.used },
        { name: 'rates measured now', ...quality.measured },
        { name: 'always fused', ...quality.fused },
      ],
      [
        { heading: 'chosen by', isName: true, cell: ({ name }) => name },
        { heading: 'fastest', cell: ({ fastest }) => formatPercent(fastest) },
        { heading: 'mean loss', cell: ({ meanLoss }) => formatPercent(meanLoss) },
        { heading: 'most', cell: ({ mostLoss }) => formatPercent(mostLoss) },
      ],
    ),
    '',
    listing(workKinds, [
      { heading: 'seconds a unit', isName: true, cell: (kind) => kind },
      ...directions.map((direction): TableColumn<(typeof workKinds)[number]> => ({
        heading: direction,
        cell: (kind) => formatSeconds(rates[direction][kind]),
      })),
    ]),
    '',
    saved === null ? 'not saved: plans are chosen as before' : `saved: ${saved}`,
  ]);
}
