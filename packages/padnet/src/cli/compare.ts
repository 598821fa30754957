/** `padnet compare`: a table on the terminal, and a report that works offline. */
import { existsSync, readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
import { InputError } from '../errors.js';
import type { RunSummary } from '../report/index.js';
import { withExamples } from './options.js';
import { pictureShape } from './pictureShape.js';
import type { Terminal } from './terminal.js';
import { UsageError } from './usageError.js';

interface CompareOptions {
  readonly out: string;
  readonly json?: boolean;
}

export function registerCompare(program: Command, terminal: Terminal): void {
  const command = program
    .command('compare')
    .description('Compare runs: a table here, and a self-contained HTML report.')
    .argument('<runs...>', 'folders of runs')
    .option('--out <file>', 'the report', 'report.html')
    .option('--json', 'print what the report shows as JSON')
    .action((runs: readonly string[], options: CompareOptions) => compare(runs, options, terminal));
  withExamples(command, 'compare runs/static runs/dyconv runs/pad30 --out report.html');
}

async function compare(runs: readonly string[], { out, json }: CompareOptions, terminal: Terminal): Promise<void> {
  const names = runNames(runs);
  const summaries: RunSummary[] = [];
  for (const [index, run] of runs.entries()) summaries.push(await summarise(run, names[index]!, terminal));
  const [{ htmlReport, textTable }, { writeFileAtomic }] = await Promise.all([
    import('../report/index.js'),
    import('../training/index.js'),
  ]);
  writeFileAtomic(
    out,
    htmlReport(summaries, { date: new Date(), command: `padnet compare ${runs.join(' ')} --out ${out}` }),
  );
  if (json) {
    terminal.printJson({ report: resolve(out), runs: summaries });
    return;
  }
  terminal.print(textTable(summaries));
  terminal.print(`\nreport: ${resolve(out)}`);
}

/** The folders' names; where two are the same, their paths. */
function runNames(runs: readonly string[]): string[] {
  const twice = runs.find((run, index) => runs.some((other, at) => at > index && resolve(other) === resolve(run)));
  if (twice !== undefined) throw new UsageError(`${twice} is given twice`);
  const short = runs.map((run) => basename(resolve(run)));
  return new Set(short).size === short.length ? short : [...runs];
}

async function summarise(run: string, name: string, terminal: Terminal): Promise<RunSummary> {
  const [{ loadData, loadRunModel, readRun }, { countNetwork, routerCoefficients, runSummary }] = await Promise.all([
    import('../training/index.js'),
    import('../report/index.js'),
  ]);
  const { folder, recipe, events, environment } = readRun(run);
  const machine = environment && {
    machine: `${environment.cpu}, ${environment.cores} cores`,
    threads: environment.threads,
    commit: environment.commit,
  };
  const common = { name, recipe, events, environment: machine };
  if (!existsSync(folder.model)) {
    const [{ createModel }, { applyPartition, decodePartition }] = await Promise.all([
      import('../models/index.js'),
      import('../partition/index.js'),
    ]);
    const { shape, numClasses } = await pictureShape(recipe.data);
    const network = createModel(recipe.model, { inChannels: shape[0], numClasses });
    if (existsSync(folder.partition)) {
      applyPartition(network, decodePartition(readFileSync(folder.partition), folder.partition));
    }
    return runSummary({ ...common, counts: countNetwork(network, shape) });
  }
  const { network, description } = loadRunModel(run);
  const counts = countNetwork(network, [description.inChannels, ...description.size]);
  try {
    const { test } = loadData(recipe.data);
    const coefficients = routerCoefficients(network, test, { transform: { normalise: description.normalise } });
    return runSummary({ ...common, counts, testPictures: test.length, coefficients });
  } catch (error) {
    // A run can be compared on a machine without its pictures.
    if (!(error instanceof InputError)) throw error;
    terminal.remark(`padnet: without the coefficients of ${run}: ${error.message}`);
    return runSummary({ ...common, counts });
  }
}
