/** `padnet convert`: a network as a static, dynamic or partial one, or as a folder for Hugging Face. */
import type { LayerRatio, NetworkCounts } from '../analysis/index.js';
import { formatBytes, formatCount, formatLoss, formatPercent, formatSeconds } from '../report/format.js';
import { textTable } from '../report/table.js';
import { convertNetwork } from './convertNetwork.js';
import { defineConvert } from './convertOptions.js';
import type { Command, OptionsOf } from './options.js';
import { remarksOn } from './remarks.js';
import type { Terminal } from './terminal.js';

export function register(command: Command, terminal: Terminal): void {
  defineConvert(command, (text) => {
    terminal.warn(text);
  }).action((network, options) => convert(network, options, terminal));
}

async function convert(
  path: string,
  { json, ...options }: OptionsOf<typeof defineConvert>,
  terminal: Terminal,
): Promise<void> {
  const { layer } = options;
  const { onText, onRemark } = remarksOn(terminal);
  const { layerName, ...conversion } = await convertNetwork(path, {
    ...options,
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
