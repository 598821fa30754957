/** `padnet inspect`: what a network, a recipe or a file of tensors is made of. */
import { decodeSafetensors, decodeTorchArchive, scope } from '@padnet/torch';
import { InputError } from '../errors.js';
import { directions } from '../compute/planRates.js';
import {
  type Inspection,
  inspectNetwork,
  inspectPlans,
  networkOfModel,
  networkOfRecipe,
  networkOfRun,
  networkWithoutRun,
  readProgramNetwork,
  type RouterState,
  routersOfRun,
  type ShownNetwork,
} from '../analysis/index.js';
import type { CodeOptions } from '../ownCode/index.js';
import { isDynamicLayer } from '../layers/index.js';
import { isProgramModel, loadRunModel, networkPlace, readAnyRun, readRun, RunFolder } from '../runs/index.js';
import { isFolder, isThere, readRegularFile } from '../readRegularFile.js';
import { inspectText, planText } from '../report/inspectText.js';
import { formatBytes, formatCount } from '../report/format.js';
import { listing } from '../report/table.js';
import { showPartition } from './mask.js';
import {
  allowCodeOption,
  type Command,
  jsonOption,
  oneOf,
  type OptionsOf,
  wholeNumber,
  withExamples,
} from './options.js';
import { remarksOn } from './remarks.js';
import { readRecipe } from './runRecipe.js';
import type { Terminal } from './terminal.js';
import { UsageError } from './usage.js';

const define = (command: Command) =>
  withExamples(
    command,
    'inspect runs/pad30',
    'inspect recipes/fashion-mnist/dyconv.yaml',
    'inspect recipes/fashion-mnist/pad30.yaml --plan --batch 128 --direction training',
    'inspect runs/pad30/model/model.safetensors',
  )
    .argument('<what>', 'folder of a run, a network or an encoder; recipe (.yaml) or weights (.safetensors, .pth)')
    .option('--plan', 'how each dynamic layer is computed instead, and what each way should cost')
    .option('--batch <number>', 'samples that are planned for', wholeNumber(1), 1)
    .option('--direction <name>', `what is planned for: ${directions.join(' or ')}`, oneOf(directions), 'inference')
    .option('--size <pixels>', 'side of the pictures (default: as trained)', wholeNumber(1))
    .addOption(allowCodeOption())
    .addOption(jsonOption());

export function register(command: Command, terminal: Terminal): void {
  define(command).action((what, options) => inspect(what, options, terminal));
}

async function inspect(what: string, options: OptionsOf<typeof define>, terminal: Terminal): Promise<void> {
  const { json, plan = false, batch, direction, size, allowCode } = options;
  if (!isThere(what)) throw new InputError(`${what}: there is no such file or folder`);
  const inFolder = isFolder(what);
  if (!inFolder && /\.(safetensors|pth|pt|bin)$/.test(what)) {
    inspectTensors(what, json, terminal);
    return;
  }
  const described = inFolder ? describedNetwork(what) : null;
  if (described) {
    if (plan || size !== undefined)
      throw new UsageError(
        `${plan ? '--plan' : '--size'}: only the program that trained the network of ${what} can make it; ` +
          'without that program, what it wrote down is shown',
      );
    terminal.result(json, described, () => [inspectText(described), 'as the program wrote it down that trained it']);
    return;
  }
  const shown = inFolder
    ? await networkOf(what, { allowCode }, terminal)
    : await networkOfFile(what, { allowCode }, terminal);
  if (size !== undefined && shown.pass.ofSize === null)
    throw new UsageError(`--size: ${what} is a network for texts, which have no size`);
  const pass = size === undefined ? shown.pass : shown.pass.ofSize!(size);
  if (plan) {
    const plans = inspectPlans(shown.network, pass, { batch, direction });
    terminal.result(json, plans, () => [planText(plans)]);
  } else {
    const inspection = inspectNetwork(shown.network, pass, await shown.routers());
    terminal.result(json, inspection, () => [inspectText(inspection)]);
  }
}

/** The network as a program of one's own wrote it down; null where the network can be made here. */
function describedNetwork(folder: string): Inspection | null {
  const { recipe, model, network } = new RunFolder(folder);
  if (!isThere(recipe) || readAnyRun(folder).recipe.modality !== 'program') return null;
  return isThere(model) && !isProgramModel(model) ? null : readProgramNetwork(network).inspection;
}

interface Inspected extends ShownNetwork {
  /** What they do on the test data of a run; none where there is no run, or it has not finished. */
  readonly routers: () => Promise<readonly RouterState[]>;
}

const unmeasured = { routers: () => Promise.resolve([]) };

/** The trained network of a run, or where there is none yet, what the run trains; another network. */
async function networkOf(folder: string, code: CodeOptions, terminal: Terminal): Promise<Inspected> {
  if (networkPlace(folder) !== 'run') return { ...networkWithoutRun(folder, code), ...unmeasured };
  const run = readRun(folder);
  if (!isThere(run.folder.model)) return { ...(await networkOfRun(run, code)), ...unmeasured };
  const model = loadRunModel(folder, code);
  const shown = networkOfModel(model);
  const hasRouters = Array.from(shown.network.namedModules()).some(([, module]) => isDynamicLayer(module));
  const { onText } = remarksOn(terminal);
  return { ...shown, routers: hasRouters ? () => routersOfRun(run, model, onText) : unmeasured.routers };
}

async function networkOfFile(file: string, code: CodeOptions, terminal: Terminal): Promise<Inspected> {
  if (!/\.ya?ml$/.test(file)) {
    throw new InputError(
      `${file}: expected the folder of a run or network, a recipe (.yaml) or weights (.safetensors, .pth)`,
    );
  }
  return { ...(await networkOfRecipe(readRecipe(file, [], terminal), code)), ...unmeasured };
}

function inspectTensors(file: string, json: boolean | undefined, terminal: Terminal): void {
  const bytes = readRegularFile(file, { expected: 'tensors' });
  const { metadata, tensors } = scope(() => {
    const decoded = file.endsWith('.safetensors')
      ? decodeSafetensors(bytes, file)
      : { metadata: { partition: undefined }, tensors: decodeTorchArchive(bytes, file) };
    const rows = Array.from(decoded.tensors, ([name, { dtype, shape, numel }]) => ({
      name,
      dtype,
      shape,
      numbers: numel,
    }));
    return { metadata: decoded.metadata, tensors: rows };
  });
  if (metadata.partition !== undefined) {
    showPartition(file, json, terminal);
    return;
  }
  const numbers = tensors.reduce((sum, tensor) => sum + tensor.numbers, 0);
  terminal.result(json, { file, bytes: bytes.length, numbers, metadata, tensors }, () => [
    listing(
      [...tensors, { name: 'total', dtype: '', shape: undefined, numbers }],
      [
        { heading: 'tensor', isName: true, cell: ({ name }) => name },
        { heading: 'dtype', isName: true, cell: ({ dtype }) => dtype },
        { heading: 'shape', isName: true, cell: ({ shape }) => shape && (shape.join('×') || 'scalar') },
        { heading: 'numbers', cell: (row) => formatCount(row.numbers) },
      ],
    ),
    `${formatBytes(bytes.length)} in ${file}`,
  ]);
}
