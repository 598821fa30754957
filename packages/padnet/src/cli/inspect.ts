/** `padnet inspect`: what a network, a recipe or a file of tensors is made of. */
import { decodeSafetensors, decodeTorchArchive, scope } from '@padnet/torch';
import type { Command } from 'commander';
import { InputError } from '../errors.js';
import { directions, type Direction } from '../compute/planRates.js';
import {
  type Inspection,
  inspectNetwork,
  inspectPlans,
  networkOfFolder,
  networkOfModel,
  networkOfRecipe,
  networkOfRun,
  readProgramNetwork,
  type ShownNetwork,
} from '../analysis/index.js';
import type { CodeOptions } from '../ownCode/index.js';
import { isProgramModel, loadAnyModel, networkPlace, readAnyRun, readRun, RunFolder } from '../runs/index.js';
import { isFolder, isThere, readRegularFile } from '../readRegularFile.js';
import { inspectText, planText } from '../report/inspectText.js';
import { formatBytes, formatCount } from '../report/format.js';
import { alignGrid } from '../report/grid.js';
import { showPartition } from './mask.js';
import { allowCodeOption, oneOf, wholeNumber, withExamples } from './options.js';
import { readRecipe } from './runRecipe.js';
import type { Terminal } from './terminal.js';
import { UsageError } from './usageError.js';

interface InspectOptions {
  readonly plan?: boolean;
  readonly batch: number;
  readonly direction: Direction;
  readonly size?: number;
  readonly allowCode?: boolean;
  readonly json?: boolean;
}

export function register(command: Command, terminal: Terminal): void {
  command
    .argument(
      '<what>',
      'folder of a run, of a converted network or of a pretrained encoder; recipe (.yaml) or weights (.safetensors, .pth)',
    )
    .option('--plan', 'how each dynamic layer is computed instead, and what each way should cost')
    .option('--batch <number>', 'samples that are planned for', wholeNumber(1), 1)
    .option('--direction <name>', `what is planned for: ${directions.join(' or ')}`, oneOf(directions), 'inference')
    .option('--size <pixels>', 'side of the pictures (default: as trained)', wholeNumber(1))
    .addOption(allowCodeOption())
    .option('--json', 'print the result as JSON')
    .action((what: string, options: InspectOptions) => inspect(what, options, terminal));
  withExamples(
    command,
    'inspect runs/pad30',
    'inspect recipes/fashion-mnist/dyconv.yaml',
    'inspect recipes/fashion-mnist/pad30.yaml --plan --batch 128 --direction training',
    'inspect runs/pad30/model/model.safetensors',
  );
}

async function inspect(what: string, options: InspectOptions, terminal: Terminal): Promise<void> {
  const { json = false, plan = false, batch, direction, size, allowCode } = options;
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
        `${plan ? '--plan' : '--size'}: the network of ${what} can be made by the program alone that trained it; without, what that wrote ` +
          'down is shown',
      );
    if (json) terminal.printJson(described);
    else terminal.print(`${inspectText(described)}\nas the program wrote it down that trained it`);
    return;
  }
  const shown = inFolder ? await networkOf(what, { allowCode }) : await networkOfFile(what, { allowCode }, terminal);
  if (size !== undefined && shown.pass.ofSize === null)
    throw new UsageError(`--size: ${what} is a network for texts, which have no size`);
  const pass = size === undefined ? shown.pass : shown.pass.ofSize!(size);
  if (plan) {
    const plans = inspectPlans(shown.network, pass, { batch, direction });
    if (json) terminal.printJson(plans);
    else terminal.print(planText(plans));
    return;
  }
  const inspection = inspectNetwork(shown.network, pass);
  if (json) terminal.printJson(inspection);
  else terminal.print(inspectText(inspection));
}

/** What a program of one's own wrote down of its network; null where the network can be made here. */
function describedNetwork(folder: string): Inspection | null {
  const { recipe, model, network } = new RunFolder(folder);
  if (!isThere(recipe) || readAnyRun(folder).recipe.modality !== 'program') return null;
  return isThere(model) && !isProgramModel(model) ? null : readProgramNetwork(network).inspection;
}

/** The trained network of a run, or where there is none yet, what the run trains; an encoder as Hugging Face saves it. */
async function networkOf(folder: string, code: CodeOptions): Promise<ShownNetwork> {
  const place = networkPlace(folder);
  if (place === 'encoder') return networkOfFolder(folder);
  return place === 'run' ? await networkOfRun(readRun(folder), code) : networkOfModel(loadAnyModel(folder, code));
}

async function networkOfFile(file: string, code: CodeOptions, terminal: Terminal): Promise<ShownNetwork> {
  if (!/\.ya?ml$/.test(file)) {
    throw new InputError(
      `${file}: expected the folder of a run or network, a recipe (.yaml) or weights (.safetensors, .pth)`,
    );
  }
  return await networkOfRecipe(readRecipe(file, [], terminal), code);
}

function inspectTensors(file: string, json: boolean, terminal: Terminal): void {
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
  if (json) {
    terminal.printJson({ file, bytes: bytes.length, numbers, metadata, tensors });
    return;
  }
  const rows = tensors.map(({ name, dtype, shape, numbers: count }) => [
    name,
    dtype,
    shape.join('×') || 'scalar',
    formatCount(count),
  ]);
  rows.push(['total', '', '', formatCount(numbers)]);
  terminal.print(alignGrid({ heading: ['tensor', 'dtype', 'shape', 'numbers'], rows, leftColumns: 3 }));
  terminal.print(`${formatBytes(bytes.length)} in ${file}`);
}
