/** `padnet convert`: a network as a static, dynamic or partial one, or as a folder for Hugging Face. */
import { Option, type Command } from 'commander';
import type { LayerRatio, NetworkCounts } from '../analysis/index.js';
import type { PreparationEvent } from '../runs/index.js';
import {
  currentLayerKind,
  dynamicConvolutions,
  formerNameRemark,
  type LayerKind,
  layerKinds,
  modelNames,
} from '../models/index.js';
import { formatBytes, formatCount, formatLoss, formatPercent, formatSeconds } from '../report/format.js';
import { alignGrid } from '../report/grid.js';
import { convertNetwork, type ConvertNetworkOptions } from './convertNetwork.js';
import type { FoldCost, MeasuredNetwork } from './converter.js';
import {
  allowCodeOption,
  fraction,
  listOfNumbers,
  nonNegativeNumber,
  oneOf,
  positiveNumber,
  wholeNumber,
  withExamples,
} from './options.js';
import type { Terminal } from './terminal.js';
import { unknownKeysText } from './unknownKeys.js';

const positions = ['intermediate', 'output', 'both'] as const;

interface ConvertOptions extends Omit<ConvertNetworkOptions, 'force' | 'onRemark' | 'signal'> {
  readonly force?: boolean;
  readonly json?: boolean;
}

export function register(command: Command, terminal: Terminal): void {
  command
    .argument(
      '<network>',
      "folder of a finished run, of a converted network or of a pretrained encoder, an encoder's name on the Hugging Face hub, or with " +
        "--model a file of torchvision's weights",
    )
    .addOption(
      new Option('--layer <kind>', 'dynamic, partial or static; static texts are saved as Hugging Face does')
        .argParser((name) => layerKind(name, terminal))
        .makeOptionMandatory(),
    )
    .requiredOption('--out <folder>', 'where the network goes')
    .addOption(
      new Option('--model <name>', 'network of a file of weights, see `padnet models`').argParser(oneOf(modelNames)),
    )
    .option('--width <number>', 'its width, where it is not the published one', positiveNumber)
    .option('--experts <number>', 'experts of each layer (default: 8)', wholeNumber(1))
    .option('--k <number>', 'experts computed for a token (default: 2)', wholeNumber(1))
    .option('--position <name>', 'intermediate, output or both (default) of each feed-forward block', oneOf(positions))
    .option('--layers <numbers>', 'feed-forward blocks to convert, from 0 (default: all)', listOfNumbers(0))
    .option(
      '--convolution <name>',
      'of convolutions: dyconv (default), condconv, odconv or dcd',
      oneOf(dynamicConvolutions),
    )
    .option('--kernels <number>', 'kernels of each convolution, but for dcd (default: 4)', wholeNumber(1))
    .option(
      '--noise <number>',
      'noise on the copies, in standard deviations of the weight (default: 0)',
      nonNegativeNumber,
    )
    .option(
      '--ratio <number>',
      'of partial layers: fraction of the entries that stay dynamic, the largest (default: 1)',
      fraction,
    )
    .option(
      '--recipe <file>',
      'on its data is measured what the routers of a dynamic network for pictures decide on average (default: that of the run)',
    )
    .option('--force', 'replace the network that is in the folder already')
    .addOption(allowCodeOption())
    .option('--json', 'print the result as JSON')
    .action((network: string, options: ConvertOptions) => convert(network, options, terminal));
  withExamples(
    command,
    'convert pretrained/bert --layer dynamic --experts 8 --k 2 --out networks/bert-moe',
    'convert runs/rte-static --layer partial --ratio 0.5 --layers 4,5 --out networks/rte-pad50',
    'convert runs/rte-static --layer static --out networks/rte-hf',
    'convert runs/pad30 --layer static --out networks/folded',
    'convert networks/dyconv --layer static --recipe recipes/fashion-mnist/dyconv.yaml --out networks/folded',
    'convert resnet18.pth --model resnet18 --layer partial --ratio 0.3 --out networks/resnet18-pad30',
  );
}

/** @throws InvalidArgumentError where there is no such kind */
function layerKind(name: string, terminal: Terminal): LayerKind {
  const remark = formerNameRemark(name);
  if (remark !== null) terminal.remark(`padnet: --layer: ${remark}`);
  return oneOf(layerKinds)(String(currentLayerKind(name)));
}

async function convert(
  path: string,
  { force = false, json, ...options }: ConvertOptions,
  terminal: Terminal,
): Promise<void> {
  const onRemark = (remark: PreparationEvent): void => {
    if (remark.type === 'badPicture') terminal.remark(`padnet: left out: ${remark.file}: ${remark.reason}`);
    if (remark.type === 'unknownKeys') terminal.remark(`padnet: ${unknownKeysText(remark.pretrained, remark.keys)}`);
  };
  const { layerName, ...conversion } = await convertNetwork(path, {
    ...options,
    force,
    onRemark,
    signal: terminal.closed,
  });
  if (json) {
    const compact = (counts: NetworkCounts): object => ({ ...counts, layers: counts.layers.map(withoutFilters) });
    terminal.printJson({
      from: path,
      layer: options.layer,
      ...conversion,
      before: compact(conversion.before),
      after: compact(conversion.after),
    });
    return;
  }
  const { before, after, cost, difference, inputs, file, fileBytes } = conversion;
  const row = (name: string, value: (of: NetworkCounts) => string): string[] => [name, value(before), value(after)];
  const rows = [
    row('stored numbers', ({ stored }) => formatCount(stored.parameters)),
    row('bits of masks', ({ stored }) => formatCount(stored.maskBits)),
    row('dynamic ratio κ', ({ stored: { entries, dynamicEntries } }) =>
      formatPercent(entries === 0 ? 0 : dynamicEntries / entries),
    ),
    row(`MACs of ${after.sample}`, ({ macs }) => formatCount(macs)),
    ...(cost ? costRows(cost) : []),
  ];
  terminal.print(
    [
      alignGrid({ heading: ['', 'before', layerName], rows, leftColumns: 1 }),
      '',
      `logits differ by at most ${difference === 0 ? '0' : difference.toExponential(1)} on ${inputs}`,
      `${formatBytes(fileBytes)} in ${file}`,
    ].join('\n'),
  );
}

/** A network has thousands of filters. */
function withoutFilters({ path, entries, dynamicEntries }: LayerRatio): Omit<LayerRatio, 'filterShares'> {
  return { path, entries, dynamicEntries };
}

function costRows({ before, after }: FoldCost): string[][] {
  const row = (name: string, value: (of: MeasuredNetwork) => string): string[] => [name, value(before), value(after)];
  return [
    row('time of 1 picture', ({ seconds }) => formatSeconds(seconds)),
    row('test accuracy', ({ score }) => formatPercent(score, 2)),
    row('test loss', ({ loss }) => formatLoss(loss, 4)),
  ];
}
