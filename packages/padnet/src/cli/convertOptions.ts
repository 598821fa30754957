/** The parameters of `padnet convert`. */
import { Option } from '@commander-js/extra-typings';
import {
  currentLayerKind,
  dynamicConvolutions,
  formerNameRemark,
  type LayerKind,
  layerKinds,
  modelNames,
} from '../models/index.js';
import {
  allowCodeOption,
  type Command,
  fraction,
  jsonOption,
  listOfNumbers,
  nonNegativeNumber,
  oneOf,
  type OptionsOf,
  positiveNumber,
  wholeNumber,
  withExamples,
} from './options.js';
import type { Remarks } from './remarks.js';

const forms = ['training'] as const;
const positions = ['intermediate', 'output', 'both'] as const;

export const defineConvert = (command: Command, onRemark: (text: string) => void) =>
  withExamples(
    command,
    'convert pretrained/bert --layer dynamic --experts 8 --k 2 --out networks/bert-moe',
    'convert runs/pad30 --layer static --out networks/folded',
    'convert pad30.safetensors --to training --out networks/pad30',
    'convert resnet18.pth --model resnet18 --layer partial --ratio 0.3 --out networks/resnet18-pad30',
  )
    .argument('<network>', 'folder of a run, a network or an encoder; an encoder on the hub; weights; a compact file')
    .addOption(
      new Option('--layer <kind>', 'dynamic, partial or static; static texts are saved as Hugging Face does').argParser(
        (name) => layerKind(name, onRemark),
      ),
    )
    .option('--to <form>', 'training: a compact file becomes the folder of a network', oneOf(forms))
    .requiredOption('--out <folder>', 'where the network goes')
    .option('--model <name>', 'network of a file of weights, see `padnet models`', oneOf(modelNames))
    .option('--width <number>', 'its width, where it is not the published one', positiveNumber)
    .option('--experts <number>', 'experts of each layer (default: 8)', wholeNumber(1))
    .option('--k <number>', 'experts computed for a token (default: 2)', wholeNumber(1))
    .option('--position <name>', 'intermediate, output or both (default) of each feed-forward block', oneOf(positions))
    .option('--layers <numbers>', 'feed-forward blocks to convert, from 0 (default: all)', listOfNumbers(0))
    .option('--convolution <name>', 'dyconv (default), condconv, odconv or dcd', oneOf(dynamicConvolutions))
    .option('--kernels <number>', 'kernels of each convolution, but for dcd (default: 4)', wholeNumber(1))
    .option(
      '--router-width <number>',
      'hidden units of each router, at least; or quarter (default: published)',
      routerWidth,
    )
    .option('--noise <number>', 'on the copies, in deviations of the weight (default: 0)', nonNegativeNumber)
    .option('--ratio <number>', 'fraction of the entries that stay dynamic, the largest (default: 1)', fraction)
    .option('--recipe <file>', 'on whose data routers for pictures are measured (default: that of the run)')
    .option('--force', 'replace the network that is in the folder already')
    .addOption(allowCodeOption())
    .addOption(jsonOption());

type Given = Omit<OptionsOf<typeof defineConvert>, 'force' | 'json' | 'layer' | 'to'>;

export interface ConvertOptions extends Given, Partial<Pick<Remarks, 'onText' | 'onRemark'>> {
  readonly layer: LayerKind;
  readonly force?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** @throws InvalidArgumentError where it is neither */
function routerWidth(text: string): number | 'quarter' | 'published' {
  return text === 'quarter' || text === 'published' ? text : wholeNumber(1)(text);
}

/** @throws InvalidArgumentError where there is no such kind */
function layerKind(name: string, onRemark: (text: string) => void): LayerKind {
  const remark = formerNameRemark(name);
  if (remark !== null) onRemark(`--layer: ${remark}`);
  return oneOf(layerKinds)(String(currentLayerKind(name)));
}
