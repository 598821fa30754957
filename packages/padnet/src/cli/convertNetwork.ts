/** Makes a static, dynamic or partial network another of these, or a Hugging Face folder of a static one. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { manualSeed, noGrad, scope } from '@padnet/torch';
import { countNetwork, modelLayerName, networkOfModel, type NetworkCounts } from '../analysis/index.js';
import { InputError } from '../errors.js';
import type { LayerKind } from '../models/index.js';
import type { ConvertNetworkOptions, ConvertSource, FoldCost } from './converter.js';
import { convertedSource, convertSource } from './convertSource.js';
import { commandsOf } from './modalities.js';
import { refuseOptions } from './modalityCommands.js';
import { writeNetworkFolder } from './networkFolder.js';
import { UsageError } from './usageError.js';

export type { ConvertNetworkOptions } from './converter.js';

export interface Conversion {
  /** The kind of layers that the network has now, as reports call it. */
  readonly layerName: string;
  readonly before: NetworkCounts;
  readonly after: NetworkCounts;
  /** Largest difference of logits before and after, and of what. */
  readonly difference: number;
  readonly inputs: string;
  /** Of a dynamic or partial network that became static; else null. */
  readonly cost: FoldCost | null;
  readonly file: string;
  readonly fileBytes: number;
}

/**
 * Reads what was written before it compares.
 *
 * @throws InputError where `path` has no network that can become what is asked for, or the folder to write has one already
 */
export async function convertNetwork(path: string, options: ConvertNetworkOptions): Promise<Conversion> {
  const { out, force } = options;
  const source = await convertSource(path, options);
  checkOptions(source, path, options);
  const { convert } = commandsOf(source.modality);
  return await writeNetworkFolder(out, { source: path, force }, async (folder) => {
    const before = countsOf(source);
    const { logits: wanted, inputs } = probe(source);
    manualSeed(1); // noise is the same every time
    const cost = await convert.write(path, source, folder, options);
    const written = await convertedSource(folder, options);
    return {
      layerName: modelLayerName(written.description.model),
      before,
      after: countsOf(written),
      difference: Math.max(...probe(written).logits.map((value, index) => Math.abs(value - wanted[index]!))),
      inputs,
      cost,
      file: join(out, 'model.safetensors'),
      fileBytes: statSync(join(folder, 'model.safetensors')).size,
    };
  });
}

function countsOf(source: ConvertSource): NetworkCounts {
  const { network, pass } = networkOfModel(source);
  return countNetwork(network, pass);
}

/** Logits of a network for random inputs, always the same ones, in evaluation mode. */
function probe(source: ConvertSource): { readonly inputs: string; readonly logits: readonly number[] } {
  source.network.eval();
  manualSeed(1);
  const { inputs, logits } = commandsOf(source.modality).convert.probe(source);
  return { inputs, logits: scope(() => noGrad(() => logits().toArray())) };
}

/** What makes no sense is a mistake, and what to do instead is said. */
function checkOptions(source: ConvertSource, path: string, options: ConvertNetworkOptions): void {
  const { description } = source;
  const { layer, ratio } = options;
  const { convert } = commandsOf(source.modality);
  const from = description.model.layer;
  // A static encoder becomes a folder for Hugging Face, a file of weights a network.
  if (from === layer && !(layer === 'static' && convert.writesStatic(options)))
    throw new InputError(alreadyText(path, layer));
  if (options.recipe !== undefined && !(convert.measuresRouters && from !== 'static'))
    throw new UsageError('--recipe is for a dynamic network for pictures, whose routers are measured on its data');
  const obstacle = layer === 'static' && from !== 'static' ? convert.staticObstacle(path, from) : null;
  if (obstacle !== null) throw new InputError(obstacle);
  refuseOptions(options, convert.refused, (option, purpose) => `${option} is for networks for ${purpose}`);
  if (options.kernels !== undefined && options.convolution === 'dcd')
    throw new UsageError('--kernels is for convolutions that mix kernels, and dcd does not');
  for (const name of ['experts', 'k', 'position', 'layers', 'kernels', 'convolution', 'noise'] as const) {
    if (options[name] === undefined) continue;
    if (layer === 'static') throw new UsageError(`--${name} is for what becomes dynamic, not --layer static`);
    if (from !== 'static') throw new UsageError(`--${name} is for a static network; ${path} is dynamic already`);
  }
  if (ratio !== undefined && layer !== 'partial') throw new UsageError(`--ratio is for --layer partial, not ${layer}`);
}

function alreadyText(path: string, layer: LayerKind): string {
  if (layer !== 'partial') return `${path} is ${layer === 'static' ? 'static' : 'dynamic'} already`;
  return (
    `${path} is partial already; \`padnet partition ${path} --ratio <number>\` finds fewer dynamic entries by the loss, and a recipe ` +
    'with model.pretrained and partition.masks trains with them'
  );
}
