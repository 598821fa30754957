/** `make bench`: what docs/performance.md and docs/moe-layers.md say, measured, beside what it is to be. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { checkOutput, writeOutput } from '../../packages/padnet/dist/outputFile.js';
import { print } from './command.js';
import { table, type Row } from './table.js';

const kinds = '--layer static,dyconv,pad,pad-filter';
const pictures = '--size 28 --channels 1 --classes 10 --batch 128';
const experts = { 'moe Dense': 2.3, 'pad Dense': 2.3, 'pad-neuron Dense': 1.7 };
const steps = { 'static Python': 1, 'dyconv Python': 1.4, 'pad Python': 1.4, 'pad-filter Python': 1.2 };

/** Its result's file, and the most that ratios are to be, by layer or part and what it is measured against. */
type Run = readonly [name: string, command: string, atMost?: Readonly<Record<string, number>>];
const runs: readonly Run[] = [
  ['step-resnet18', `step --model resnet18 --size 224 --batch 16 ${kinds}`, steps],
  ['step-resnet18-small', `step --model resnet18 --stem small ${pictures} ${kinds}`],
  ['step-resnet10', `step --model resnet10 --stem small --width 16 ${pictures} ${kinds}`],
  ['step-mobilenetV2', `step --model mobilenetV2 --size 224 --batch 16 ${kinds}`, { 'pad Python': 1.5 }],
  ['inference-resnet18-1', `inference --model resnet18 --size 224 --batch 1 ${kinds}`, { 'pad Python': 1.25 }],
  ['inference-resnet18-16', `inference --model resnet18 --size 224 --batch 16 --steps 5 ${kinds}`],
  ['imp', 'imp --model resnet18 --size 224 --batch 16', { 'batch Step': 1.3 }],
  ['moe-intermediate', 'moe --tokens 1024 --in 768 --out 3072 --experts 8 --k 2', experts],
  ['moe-output', 'moe --tokens 1024 --in 3072 --out 768 --experts 8 --k 2', experts],
];

const kind = { name: 'measurement', isOne: (text: string) => text.includes('"environment": {') };

export function addStandardRuns(program: Command): void {
  program
    .command('all')
    .description('Measure what the documentation says; print ratios and the most that they are to be. Takes minutes.')
    .argument('[folder]', 'of the results, as JSON', 'runs/benchmarks')
    .option('--no-measure', 'print the ratios of the results that are there')
    .action((folder: string, { measure }: { readonly measure: boolean }) => {
      const rows = runs.flatMap(([name, command, atMost]) => {
        const file = join(folder, `${name}.json`);
        if (measure) {
          checkOutput(file, kind);
          process.stderr.write(`${command}\n`);
          const parameters = [process.argv[1]!, ...command.split(' '), '--json'];
          writeOutput(file, execFileSync(process.execPath, parameters), kind);
        }
        return existsSync(file) ? ratioRows(name, readFileSync(file, 'utf8'), atMost) : [];
      });
      print(table(rows));
    });
}

/** A row for each number `ratioTo…` of layers, or of parts by name; what is measured against itself is left out. */
function ratioRows(measured: string, text: string, atMost: Run[2] = {}): Row[] {
  const { results, ...others } = JSON.parse(text) as Row & { readonly results?: readonly Row[] };
  const parts = results?.map((result) => [String(result.layer), result] as const) ?? Object.entries(others);
  return parts.flatMap(([layer, part]) =>
    Object.entries((part ?? {}) as Row).flatMap(([key, ratio]): Row[] => {
      const to = /^ratioTo(.+)$/.exec(key)?.[1];
      if (to === undefined || typeof ratio !== 'number' || ratio === 1) return [];
      const most = atMost[`${layer} ${to}`] ?? null;
      const verdict = most === null ? '' : ratio <= most ? 'met' : 'missed';
      return [{ measured, layer, '× of': to.toLowerCase(), ratio, atMost: most, verdict }];
    }),
  );
}
