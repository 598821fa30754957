/** `padnet compact`: a trained network as one file of the numbers that it needs. */
import { modelLayerName } from '../analysis/index.js';
import { compactFile, compactKind } from '../export/compactForm.js';
import { compactSize, type CompactSize } from '../export/compactSize.js';
import { checkOutput } from '../outputFile.js';
import { formatBytes, formatCount, formatPercent, formatRatio } from '../report/format.js';
import { listing } from '../report/table.js';
import { folderOfModel, loadAnswering, readTokenizer, type SavedModel } from '../runs/index.js';
import { writeHeldOutput } from '../runs/writeHeldOutput.js';
import { answeringNetwork, type Command, dtypeOption, jsonOption, type OptionsOf, withExamples } from './options.js';
import { tableOptions } from './textInputs.js';
import type { Terminal } from './terminal.js';

const define = (command: Command) =>
  withExamples(
    command,
    'compact runs/pad30 --out pad30.safetensors',
    'compact runs/pad30 --dtype int8 --out pad30-int8.safetensors',
  )
    .argument('<run>', answeringNetwork)
    .requiredOption('--out <file>', 'where the file goes; another compact file is replaced')
    .addOption(dtypeOption())
    .addOption(jsonOption());

export function register(command: Command, terminal: Terminal): void {
  define(command).action((run, options) => compact(run, options, terminal));
}

async function compact(run: string, options: OptionsOf<typeof define>, terminal: Terminal): Promise<void> {
  const { out, dtype, json } = options;
  checkOutput(out, compactKind);
  const model = withTable(run, loadAnswering(run));
  const tokenizer = model.modality === 'text' ? readTokenizer(folderOfModel(run)) : undefined;
  const file = compactFile(model, { dtype, ...(tokenizer && { tokenizer }) });
  await writeHeldOutput(out, file, compactKind);
  const size = await compactSize(model, file, dtype);
  terminal.result(json, { run, file: out, ...size }, () => [
    partTable(size),
    '',
    ...formulaLines(size),
    formTable(size, modelLayerName(model.description.model)),
    '',
    `${formatBytes(size.bytes)} in ${out}`,
  ]);
}

/** With how the files were written that it was trained on, which a run's recipe says. */
function withTable(run: string, model: SavedModel): SavedModel {
  if (model.modality !== 'text') return model;
  return { ...model, description: { ...model.description, table: tableOptions(run, model.description) } };
}

function partTable({ parts, descriptionBytes, bytes, entries }: CompactSize): string {
  const { dynamic, static: fixed, maskBits, rest } = parts;
  const isOfLayers = entries > 0;
  const numbers = dynamic.numbers + fixed.numbers + rest.numbers;
  return listing(
    [
      ...(isOfLayers
        ? [
            { name: 'dynamic', ...dynamic },
            { name: 'static', ...fixed },
            { name: 'bits of masks', ...maskBits },
          ]
        : []),
      { name: isOfLayers ? 'rest: routers, biases, other layers' : 'weights and biases', ...rest },
      { name: 'names and description', numbers: undefined, bytes: descriptionBytes },
      { name: 'total', numbers, bytes },
    ],
    [
      { heading: '', isName: true, cell: ({ name }) => name },
      { heading: 'numbers', cell: (row) => (row.numbers === undefined ? '' : formatCount(row.numbers)) },
      { heading: 'bytes', cell: (row) => formatBytes(row.bytes) },
      { heading: 'of the file', cell: (row) => formatPercent(row.bytes / bytes) },
    ],
  );
}

function formulaLines({ dtype, parts, entries, dynamicEntries, formulaBytes, bytes }: CompactSize): string[] {
  if (entries === 0) return [];
  const factor = { float32: '4·', float16: '2·', bfloat16: '2·', int8: '' }[dtype];
  const bits = parts.maskBits.bytes > 0 ? ' + n/8' : '';
  const ratio = formatPercent(dynamicEntries / entries);
  const difference = (bytes / formulaBytes - 1) * 100;
  const sign = difference < 0 ? '' : '+';
  const formula = `${factor}((1 − κ)n + Kκn)${bits} + rest`;
  return [
    `n = ${formatCount(entries)}, κ = ${ratio}: ${formula} = ${formatBytes(formulaBytes)}; ` +
      `the file has ${sign}${difference.toFixed(2)} %`,
    '',
  ];
}

function formTable({ bytes, entries, others, dtype }: CompactSize, layerName: string): string {
  return listing(
    [
      { name: `${layerName}, this file`, bytes },
      { name: 'this file, gzipped', bytes: others.gzip },
      ...(entries > 0
        ? [
            { name: `static, ${dtype}`, bytes: others.static },
            { name: `dynamic, ${dtype}`, bytes: others.dynamic },
            { name: 'as the published code writes it, float32', bytes: others.published },
          ]
        : []),
    ],
    [
      { heading: 'the same network', isName: true, cell: ({ name }) => name },
      { heading: 'bytes', cell: (row) => formatBytes(row.bytes) },
      { heading: '× this file', cell: (row) => formatRatio(row.bytes / bytes) },
    ],
  );
}
