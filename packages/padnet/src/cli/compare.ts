/** `padnet compare`: a table on the terminal, and a report that works offline. */
import { basename, resolve } from 'node:path';
import { checkOutput } from '../outputFile.js';
import { type RunSummary, summariseRun } from '../analysis/index.js';
import { comparisonText, htmlReport, reportFile } from '../report/index.js';
import { writeHeldOutput } from '../runs/writeHeldOutput.js';
import { allowCodeOption, type Command, jsonOption, type OptionsOf, withExamples } from './options.js';
import { remarksOn } from './remarks.js';
import type { Terminal } from './terminal.js';
import { UsageError } from './usage.js';

const define = (command: Command) =>
  withExamples(command, 'compare runs/static runs/dyconv runs/pad30 --out report.html')
    .argument('<runs...>', 'folders of runs')
    .option('--out <file>', 'the report', 'report.html')
    .addOption(allowCodeOption())
    .addOption(jsonOption('print what the report shows as JSON'));

export function register(command: Command, terminal: Terminal): void {
  define(command).action((runs, options) => compare(runs, options, terminal));
}

async function compare(runs: readonly string[], options: OptionsOf<typeof define>, terminal: Terminal): Promise<void> {
  const { out, allowCode, json } = options;
  const names = runNames(runs);
  checkOutput(out, reportFile);
  const { onText: onRemark } = remarksOn(terminal);
  const summaries: RunSummary[] = [];
  for (const [index, run] of runs.entries())
    summaries.push(
      await summariseRun(run, {
        name: names[index]!,
        onRemark,
        meanCoefficients: true,
        signal: terminal.closed,
        allowCode,
      }),
    );
  const report = htmlReport(summaries, { date: new Date(), command: `padnet compare ${runs.join(' ')} --out ${out}` });
  await writeHeldOutput(out, report, reportFile);
  terminal.result(json, { report: resolve(out), runs: summaries }, () => [
    comparisonText(summaries),
    '',
    `report: ${out}`,
  ]);
}

/** The folders' names; where two are the same, their paths. */
function runNames(runs: readonly string[]): string[] {
  const twice = runs.find((run, index) => runs.some((other, at) => at > index && resolve(other) === resolve(run)));
  if (twice !== undefined) throw new UsageError(`${twice} is given twice`);
  const short = runs.map((run) => basename(resolve(run)));
  return new Set(short).size === short.length ? short : [...runs];
}
