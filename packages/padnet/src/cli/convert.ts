/** `padnet convert`: a network as a static, dynamic or partial one, or as a folder for Hugging Face. */
import type { NetworkCounts } from '../analysis/index.js';
import { formatBytes, formatCount, formatLoss, formatPercent, formatSeconds } from '../report/format.js';
import { listing, type TableColumn } from '../report/table.js';
import type { MeasuredNetwork } from './converter.js';
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
  { layer, to, json, ...given }: OptionsOf<typeof defineConvert>,
  terminal: Terminal,
): Promise<void> {
  const { out, force = false, ...others } = given;
  if (to !== undefined) {
    refuseUsage({ '--layer and --to both say what the network becomes: give one of them': layer !== undefined });
    refuseOptions(others, ofLayers, (option) => `${option} is for --layer; a compact file says itself what it is`);
    const { after, ...written } = await convertToTraining(path, out, force);
    const { layerName, file, fileBytes } = written;
    terminal.result(json, { from: path, to, stored: after.stored, ...written }, () => [
      networkTable([{ heading: layerName, counts: after }]),
      '',
      `${formatBytes(fileBytes)} in ${file}`,
    ]);
    return;
  }
  if (layer === undefined) {
    throw new UsageError(
      'required option --layer <kind> not specified: dynamic, partial or static; or --to training for a compact file',
    );
  }
  const options = { ...given, layer, ...remarksOn(terminal), signal: terminal.closed };
  const { layerName, before, after, ...conversion } = await convertNetwork(path, options);
  const { cost, difference, inputs, file, fileBytes } = conversion;
  const shown = { before: withoutFilters(before), after: withoutFilters(after) };
  terminal.result(json, { from: path, layer, ...shown, ...conversion }, () => [
    networkTable([
      { heading: 'before', counts: before, cost: cost?.before },
      { heading: layerName, counts: after, cost: cost?.after },
    ]),
    '',
    `logits differ by at most ${difference === 0 ? '0' : difference.toExponential(1)} on ${inputs}`,
    `${formatBytes(fileBytes)} in ${file}`,
  ]);
}

/** A network has thousands of filters. */
function withoutFilters({ layers, ...counts }: NetworkCounts) {
  const ofLayers = layers.map(({ path, entries, dynamicEntries }) => ({ path, entries, dynamicEntries }));
  return { ...counts, layers: ofLayers };
}

interface ShownNetwork {
  readonly heading: string;
  readonly counts: NetworkCounts;
  readonly cost?: MeasuredNetwork | undefined;
}

/** A column for each network. */
function networkTable(networks: readonly ShownNetwork[]): string {
  const [{ counts, cost }] = networks as readonly [ShownNetwork];
  const rows: (readonly [name: string, text: (network: ShownNetwork) => string])[] = [
    ['stored numbers', ({ counts: { stored } }) => formatCount(stored.parameters)],
    ['bits of masks', ({ counts: { stored } }) => formatCount(stored.maskBits)],
    [
      'dynamic ratio κ',
      ({ counts: { stored } }) => formatPercent(stored.entries === 0 ? 0 : stored.dynamicEntries / stored.entries),
    ],
    [`MACs of ${counts.sample}`, ({ counts: { macs } }) => formatCount(macs)],
  ];
  if (cost) {
    rows.push(['time of 1 picture', (network) => formatSeconds(network.cost!.seconds)]);
    rows.push(['test accuracy', (network) => formatPercent(network.cost!.score, 2)]);
    rows.push(['test loss', (network) => formatLoss(network.cost!.loss, 4)]);
  }
  return listing(rows, [
    { heading: '', isName: true, cell: ([name]) => name },
    ...networks.map((network): TableColumn<(typeof rows)[number]> => ({
      heading: network.heading,
      cell: ([, text]) => text(network),
    })),
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
  routerWidth: '',
  noise: '',
  ratio: '',
  recipe: '',
} as const;
