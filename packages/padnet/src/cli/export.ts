/** `padnet export`: trained networks as folders that answer without libtorch, or as a web page. */
import { exportTargets, type ModelFolder } from '../export/modelFolder.js';
import { formatBytes } from '../report/format.js';
import { listing } from '../report/table.js';
import { tokenizerFiles } from '../runs/index.js';
import { exportRun } from './exportRun.js';
import { writeExported, type ExportedKind } from './exportFolder.js';
import { writeSite } from './exportSite.js';
import {
  answeringNetwork,
  type Command,
  dtypeOption,
  jsonOption,
  oneOf,
  type OptionsOf,
  withExamples,
} from './options.js';
import type { Terminal } from './terminal.js';
import { refuseUsage } from './usage.js';

const define = (command: Command) =>
  withExamples(
    command,
    'export runs/pad30 --out exported/pad30',
    'export runs/pad30 --out exported/pad30 --target web --dtype float16',
    'export --web site runs/static runs/dyconv runs/pad30',
  )
    .argument('<runs...>', `${answeringNetwork}; with --web up to four`)
    .option('--out <folder>', 'where the network goes: its graph, its weights in compact form, and what it is')
    .option('--web <folder>', 'where a web page goes that answers with the networks; any web server can serve it')
    .option('--target <name>', 'of the graph: node (default) or web (default with --web)', oneOf(exportTargets))
    .addOption(dtypeOption())
    .option('--force', 'replace what was exported to the folder before')
    .addOption(jsonOption());

export function register(command: Command, terminal: Terminal): void {
  define(command).action((runs, options) => exportRuns(runs, options, terminal));
}

async function exportRuns(
  runs: readonly string[],
  { out, web, target, dtype, force, json }: OptionsOf<typeof define>,
  terminal: Terminal,
): Promise<void> {
  refuseUsage({
    'say where the network goes with --out <folder>, or a web page with --web <folder>':
      out === undefined && web === undefined,
    '--out is for a network and --web for a page: give one of them': out !== undefined && web !== undefined,
    '--out is for one run; --web shows several side by side': out !== undefined && runs.length > 1,
    '--web shows four networks at most': runs.length > 4,
  });
  const place = (out ?? web)!;
  const exported = [];
  for (const run of runs)
    exported.push(await exportRun(run, { target: target ?? (web === undefined ? 'node' : 'web'), dtype, terminal }));
  if (web === undefined) await writeExported(place, exported[0]!.folder.files, exportedNetwork, force === true);
  else await writeSite(place, exported, force === true);
  const results = exported.map(({ run, folder }) => ({ run, ...resultOf(folder) }));
  terminal.result(json, { out: place, networks: results }, () => [
    listing(results, [
      { heading: 'network', isName: true, cell: ({ name }) => name },
      { heading: 'compact', cell: ({ compactBytes }) => formatBytes(compactBytes) },
      { heading: 'graph', cell: ({ graphBytes }) => formatBytes(graphBytes) },
      { heading: 'expanded', cell: ({ weightBytes }) => formatBytes(weightBytes) },
      { heading: 'from libtorch', cell: ({ difference }) => difference.toExponential(1) },
      { heading: 'tried on', cell: ({ tried }) => `${tried.random + tried.given}` },
    ]),
    '',
    ...results
      .filter(({ tried }) => tried.given === 0)
      .map(({ run }) => `${run} has no test data here: its graph was tried on random inputs alone`),
    web === undefined
      ? `${place} answers by \`load('${place}')\` of @padnet/runtime`
      : `${place} is a web page; look at it with \`npx http-server ${place}\`, or put it on any web server`,
  ]);
}

/** Its other files have the same names in each. */
const exportedNetwork: ExportedKind = {
  what: 'an exported network',
  filesOf: (manifest) => {
    const { modality } = (manifest ?? {}) as { readonly modality?: unknown };
    return modality === 'text' ? tokenizerFiles : [];
  },
};

function resultOf({ manifest, files, difference, tried }: ModelFolder) {
  const bytesOf = (name: string): number => files.get(name)!.length;
  return {
    name: manifest.name,
    layer: manifest.layer,
    target: manifest.target,
    compactBytes: bytesOf(manifest.compact),
    graphBytes: bytesOf(manifest.graph),
    weightBytes: manifest.weights.bytes,
    difference,
    tried,
  };
}
