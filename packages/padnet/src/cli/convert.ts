/** `padnet convert`: a static network as a mixture of experts, dynamic or partial; and a static one for Hugging Face. */
import { Option, type Command } from 'commander';
import { formatBytes, formatCount, formatPercent } from '../report/format.js';
import { alignGrid } from '../report/grid.js';
import { layerNames } from '../report/layerNames.js';
import type { NetworkCounts } from '../report/index.js';
import type { ConvertNetworkOptions } from './convertNetwork.js';
import { fraction, listOfNumbers, oneOf, nonNegativeNumber, wholeNumber, withExamples } from './options.js';
import type { Terminal } from './terminal.js';

const layers = ['static', 'dyconv', 'moe', 'pad'] as const;
/** `dynamicConvolutions` and `modelNames`, without loading the library. */
export const convolutions = ['dyconv', 'condconv', 'odconv', 'dcd'] as const;
export const networks = ['resnet10', 'resnet18', 'resnet34', 'resnet50', 'resnet101', 'mobilenetV2'] as const;
const positions = ['intermediate', 'output', 'both'] as const;

interface ConvertOptions extends Omit<ConvertNetworkOptions, 'force'> {
  readonly force?: boolean;
  readonly json?: boolean;
}

export function registerConvert(program: Command, terminal: Terminal): void {
  const command = program
    .command('convert')
    .description(
      'Make a trained static network dynamic or partially dynamic without changing what it computes, ready for `padnet inspect` and ' +
        '`predict`; or save a static text encoder as Hugging Face does.',
    )
    .argument(
      '<network>',
      "folder of a finished run or of a pretrained encoder, an encoder's name on the Hugging Face hub, or with --model a file of " +
        "torchvision's weights",
    )
    .addOption(
      new Option('--layer <kind>', 'texts: moe, pad, or static for Hugging Face; pictures: dyconv, pad')
        .argParser(oneOf(layers))
        .makeOptionMandatory(),
    )
    .requiredOption('--out <folder>', 'where the network goes')
    .addOption(
      new Option('--model <name>', 'network of a file of weights, see `padnet models`').argParser(oneOf(networks)),
    )
    .option('--width <number>', 'its width, where it is not the published one', nonNegativeNumber)
    .option('--experts <number>', 'experts of each layer (default: 8)', wholeNumber(1))
    .option('--k <number>', 'experts computed for a token (default: 2)', wholeNumber(1))
    .option('--position <name>', 'intermediate, output or both (default) of each feed-forward block', oneOf(positions))
    .option('--layers <numbers>', 'feed-forward blocks to convert, from 0 (default: all)', listOfNumbers(0))
    .option('--convolution <name>', 'of convolutions: dyconv (default), condconv, odconv or dcd', oneOf(convolutions))
    .option('--kernels <number>', 'kernels of each convolution, but for dcd (default: 4)', wholeNumber(1))
    .option(
      '--noise <number>',
      'noise on the copies, in standard deviations of the weight (default: 0)',
      nonNegativeNumber,
    )
    .option('--ratio <number>', 'of pad: fraction of the entries that stay dynamic, the largest (default: 1)', fraction)
    .option('--force', 'replace the network that is in the folder already')
    .option('--json', 'print the result as JSON')
    .action((network: string, options: ConvertOptions) => convert(network, options, terminal));
  withExamples(
    command,
    'convert pretrained/bert --layer moe --experts 8 --k 2 --out networks/bert-moe',
    'convert runs/rte-static --layer pad --ratio 0.5 --layers 4,5 --out networks/rte-pad50',
    'convert runs/rte-static --layer static --out networks/rte-hf',
    'convert resnet18.pth --model resnet18 --layer pad --ratio 0.3 --out networks/resnet18-pad30',
  );
}

async function convert(
  path: string,
  { force = false, json, ...options }: ConvertOptions,
  terminal: Terminal,
): Promise<void> {
  const { convertNetwork } = await import('./convertNetwork.js');
  const conversion = await convertNetwork(path, { ...options, force });
  if (json) {
    terminal.printJson({ from: path, layer: options.layer, ...conversion });
    return;
  }
  const { before, after, difference, inputs, file, fileBytes } = conversion;
  const row = (name: string, value: (of: NetworkCounts) => string): string[] => [name, value(before), value(after)];
  const rows = [
    row('stored numbers', ({ stored }) => formatCount(stored.parameters)),
    row('bits of masks', ({ stored }) => formatCount(stored.maskBits)),
    row('dynamic ratio κ', ({ stored: { entries, dynamicEntries } }) =>
      formatPercent(entries === 0 ? 0 : dynamicEntries / entries),
    ),
    row(`MACs of ${after.sample}`, ({ macs }) => formatCount(macs)),
  ];
  terminal.print(
    [
      alignGrid({ heading: ['', 'before', layerNames[options.layer]], rows, leftColumns: 1 }),
      '',
      `logits differ by at most ${difference === 0 ? '0' : difference.toExponential(1)} on ${inputs}`,
      `${formatBytes(fileBytes)} in ${file}`,
    ].join('\n'),
  );
}
