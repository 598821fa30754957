/** `padnet compare`: a table on the terminal, and a report that works offline. */
import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
import { checkOutput } from '../outputFile.js';
import { type RunSummary, summariseRun } from '../analysis/index.js';
import { comparisonText, htmlReport, reportFile } from '../report/index.js';
import { writeHeldOutput } from '../runs/writeHeldOutput.js';
import { allowCodeOption, withExamples } from './options.js';
import type { Terminal } from './terminal.js';
import { UsageError } from './usageError.js';

interface CompareOptions {
  readonly out: string;
  readonly allowCode?: boolean;
  readonly json?: boolean;
}

export function register(command: Command, terminal: Terminal): void {
  command
    .argument('<runs...>', 'folders of runs')
    .option('--out <file>', 'the report', 'report.html')
    .addOption(allowCodeOption())
    .option('--json', 'print what the report shows as JSON')
    .action((runs: readonly string[], options: CompareOptions) => compare(runs, options, terminal));
  withExamples(command, 'compare runs/static runs/dyconv runs/pad30 --out report.html');
}

async function compare(
  runs: readonly string[],
  { out, allowCode, json }: CompareOptions,
  terminal: Terminal,
): Promise<void> {
  const names = runNames(runs);
  checkOutput(out, reportFile);
  const summaries: RunSummary[] = [];
  for (const [index, run] of runs.entries()) {
    const onRemark = (text: string): void => {
      terminal.remark(`padnet: ${text}`);
    };
    summaries.push(await summariseRun(run, { name: names[index]!, onRemark, allowCode }));
  }
  const report = htmlReport(summaries, { date: new Date(), command: `padnet compare ${runs.join(' ')} --out ${out}` });
  await writeHeldOutput(out, report, reportFile);
  if (json) {
    terminal.printJson({ report: resolve(out), runs: summaries });
    return;
  }
  terminal.print(comparisonText(summaries));
  terminal.print(`\nreport: ${out}`);
}

/** The folders' names; where two are the same, their paths. */
function runNames(runs: readonly string[]): string[] {
  const twice = runs.find((run, index) => runs.some((other, at) => at > index && resolve(other) === resolve(run)));
  if (twice !== undefined) throw new UsageError(`${twice} is given twice`);
  const short = runs.map((run) => basename(resolve(run)));
  return new Set(short).size === short.length ? short : [...runs];
}
