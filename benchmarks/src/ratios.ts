/**
 * The ratios in the results that `run.sh` has left in a folder, beside the most that they are to be:
 *
 *     node benchmarks/dist/ratios.js FOLDER
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { alignGrid } from '../../packages/padnet/dist/report/grid.js';
import { formatRatio } from '../../packages/padnet/dist/report/format.js';

/** By measurement, layer and what it is measured against. */
const bars: Readonly<Record<string, number>> = {
  'step-resnet18 static Python': 1,
  'step-resnet18 dyconv Python': 1.4,
  'step-resnet18 pad Python': 1.4,
  'step-resnet18 pad-filter Python': 1.2,
  'step-mobilenetV2 pad Python': 1.5,
  'inference-resnet18-1 pad Python': 1.25,
  'imp batch Step': 1.3,
  'moe-intermediate moe Dense': 2.3,
  'moe-intermediate pad Dense': 2.3,
  'moe-intermediate pad-neuron Dense': 1.7,
  'moe-output moe Dense': 2.3,
  'moe-output pad Dense': 2.3,
  'moe-output pad-neuron Dense': 1.7,
};

/** What `padnet bench … --json` prints: results of layers, or of parts by name; of each, ratios to others. */
interface Measurement {
  readonly results?: readonly Readonly<Record<string, unknown>>[];
  readonly [part: string]: unknown;
}

/** Numbers `ratioTo…` of a result, by what they are ratios to; what is measured against itself is left out. */
function ratiosOf(result: object): [to: string, ratio: number][] {
  return Object.entries(result).flatMap(([key, value]): [string, number][] => {
    const to = /^ratioTo(.+)$/.exec(key)?.[1];
    return to === undefined || typeof value !== 'number' || value === 1 ? [] : [[to, value]];
  });
}

function layersOf({ results, ...parts }: Measurement): [layer: string, result: object][] {
  if (results) return results.map((result) => [String(result.layer), result]);
  return Object.entries(parts).filter((part): part is [string, object] => typeof part[1] === 'object' && !!part[1]);
}

const folder = process.argv[2] ?? '.';
const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
const rows = files.sort().flatMap((file) => {
  const name = file.slice(0, -'.json'.length);
  const measurement = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Measurement;
  return layersOf(measurement).flatMap(([layer, result]) =>
    ratiosOf(result).map(([to, ratio]) => {
      const bar = bars[`${name} ${layer} ${to}`];
      const verdict = bar === undefined ? '' : ratio <= bar ? 'met' : 'missed';
      return [name, layer, to.toLowerCase(), formatRatio(ratio), bar === undefined ? '' : formatRatio(bar), verdict];
    }),
  );
});
process.stdout.write(
  `${alignGrid({ heading: ['measured', 'layer', '× of', 'ratio', 'at most', ''], rows, leftColumns: 3 })}\n`,
);
