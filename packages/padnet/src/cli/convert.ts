/** `padnet convert`: a network as a static, dynamic or partial one, or as a folder for Hugging Face. */
import type { LayerRatio, NetworkCounts } from '../analysis/index.js';
import { formatBytes, formatCount, formatLoss, formatPercent, formatSeconds } from '../report/format.js';
import { textTable } from '../report/table.js';
import { convertNetwork } from './convertNetwork.js';
import { convertToTraining } from './convertToTraining.js';
import { defineConvert } from './convertOptions.js';
import type { Command, OptionsOf } from './options.js';
import { remarksOn } from './remarks.js';
import type { Terminal } from './terminal.js';
import { refuseOptions, refuseUsage, UsageError } from './usage.js';

export function register(command: Command, terminal: Terminal): void {
  defineConvert(command, (text) => {
    terminal.warn(text);
  }).action((network, options) => convert(network, options, terminal));
}

async function convert(
  path: string,
  { layer, to, ...given }: OptionsOf<typeof defineConvert>,
  terminal: Terminal,
): Promise<void> {
  if (to !== undefined) {
    refuseUsage({ '--layer and --to both say what the network becomes: give one of them': layer !== undefined });
    await toTraining(path, given, terminal);
    return;
  }
  if (layer === undefined) {
    throw new UsageError(
      'required option --layer <kind> not specified: dynamic, partial or static; or --to training for a compact file',
    );
  }
  const { json, ...options } = given;
  const { onText, onRemark } = remarksOn(terminal);
  const { layerName, ...conversion } = await convertNetwork(path, {
    ...options,
    layer,
    onText,
    onRemark,
    signal: terminal.closed,
  });
  const { before, after, cost, difference, inputs, file, fileBytes } = conversion;
  // A network has thousands of filters.
  const withoutFilters = ({ path: name, entries, dynamicEntries }: LayerRatio) => ({
    path: name,
    entries,
    dynamicEntries,
  });
  const compact = (counts: NetworkCounts) => ({ ...counts, layers: counts.layers.map(withoutFilters) });
  const result = { from: path, layer, ...conversion, before: compact(before), after: compact(after) };
  const row = <T>(name: string, [was, is]: readonly [T, T], text: (value: T) => string) => ({
    name,
    before: text(was),
    after: text(is),
  });
  const counts = [before, after] as const;
  const costs = cost && ([cost.before, cost.after] as const);
  terminal.result(json, result, () => [
    textTable({
      columns: [
        { heading: '', isName: true, cell: ({ name }) => name },
        { heading: 'before', cell: (value) => value.before },
        { heading: layerName, cell: (value) => value.after },
      ],
      rows: [
        row('stored numbers', counts, ({ stored }) => formatCount(stored.parameters)),
        row('bits of masks', counts, ({ stored }) => formatCount(stored.maskBits)),
        row('dynamic ratio κ', counts, ({ stored: { entries, dynamicEntries } }) =>
          formatPercent(entries === 0 ? 0 : dynamicEntries / entries),
        ),
        row(`MACs of ${after.sample}`, counts, ({ macs }) => formatCount(macs)),
        ...(costs
          ? [
              row('time of 1 picture', costs, ({ seconds }) => formatSeconds(seconds)),
              row('test accuracy', costs, ({ score }) => formatPercent(score, 2)),
              row('test loss', costs, ({ loss }) => formatLoss(loss, 4)),
            ]
          : []),
      ],
    }),
    '',
    `logits differ by at most ${difference === 0 ? '0' : difference.toExponential(1)} on ${inputs}`,
    `${formatBytes(fileBytes)} in ${file}`,
  ]);
}

/** Options of what becomes dynamic, partial or static. */
const ofLayers = {
  model: '',
  width: '',
  experts: '',
  k: '',
  position: '',
  layers: '',
  convolution: '',
  kernels: '',
  noise: '',
  ratio: '',
  recipe: '',
} as const;

async function toTraining(
  path: string,
  { json, out, force, ...others }: Omit<OptionsOf<typeof defineConvert>, 'layer' | 'to'>,
  terminal: Terminal,
): Promise<void> {
  refuseOptions(others, ofLayers, (option) => `${option} is for --layer; a compact file says itself what it is`);
  const { layerName, counts, ...conversion } = await convertToTraining(path, { out, force });
  const { parameters, maskBits, entries, dynamicEntries } = counts.stored;
  terminal.result(json, { from: path, to: 'training', layerName, stored: counts.stored, ...conversion }, () => [
    textTable({
      columns: [
        { heading: '', isName: true, cell: ({ name }) => name },
        { heading: layerName, cell: ({ value }) => value },
      ],
      rows: [
        { name: 'stored numbers', value: formatCount(parameters) },
        { name: 'bits of masks', value: formatCount(maskBits) },
        { name: 'dynamic ratio κ', value: formatPercent(entries === 0 ? 0 : dynamicEntries / entries) },
      ],
    }),
    '',
    `${formatBytes(conversion.fileBytes)} in ${conversion.file}`,
  ]);
}
