/** The networks that a recipe's `model.pretrained` may name for pictures. */
import { nn } from '@padnet/torch';
import { convertToDynamic } from '../../convert/index.js';
import { InputError } from '../../errors.js';
import {
  publishedWidth,
  readPictureWeights,
  type DynamicWeights,
  type ModelOptions,
  type StaticWeights,
} from '../../models/index.js';
import { isFolder } from '../../readRegularFile.js';
import type { CodeOptions } from '../../ownCode/index.js';
import { loadAnyModel, networkPlace } from '../../runs/anyModel.js';
import { ofModality, type PictureModel } from '../../runs/savedModel.js';
import { toStaticCommand } from './staticForm.js';

/** Weights, or a network that is not static, which has to become what the recipe asks for. */
export type PicturePretrained = StaticWeights | PictureModel;

/**
 * Weights are in the caller's scope.
 *
 * @param path a file under torchvision's names, or the folder of a run or of a network that `padnet convert` wrote
 * @throws InputError where it has no weights of a network of that name, or other kernels than `model` asks for
 */
export function readPretrained(path: string, model: ModelOptions, code: CodeOptions = {}): PicturePretrained {
  const place = networkPlace(path);
  if (!isFolder(path) && place !== 'compact') return named(() => readPictureWeights(path, model.name));
  if (place === 'encoder') throw new InputError(`model.pretrained: ${path} has an encoder for texts`);
  if (place === 'none')
    throw new InputError(
      `model.pretrained: ${path} has no network; expected a file of weights, a run or a converted network`,
    );
  const saved = ofModality(
    'image',
    named(() => loadAnyModel(path, code)),
    `model.pretrained: ${path}`,
  );
  const { model: of } = saved.description;
  if (of.name !== model.name)
    throw new InputError(`model.pretrained: ${path} is a ${of.name}, model.name is ${model.name}`);
  assertSame(path, of, model, ['stem', 'width']);
  if (of.layer === 'static') return staticWeights(saved);
  // DCD has no kernels to mix.
  const keys = ['convolution', 'router', ...(of.convolution === 'dcd' ? [] : (['numKernels'] as const))] as const;
  if (model.layer !== 'static') assertSame(path, of, model, keys);
  return saved;
}

export function staticWeights({ network, description: { inChannels, numClasses } }: PictureModel): StaticWeights {
  return { state: network.stateDict(), shape: { inChannels, numClasses } };
}

/**
 * The weights of a dynamic or partial network, in place: static entries come back into the banks.
 *
 * @param path for errors
 * @throws InputError where they cannot
 */
export function dynamicWeights(model: PictureModel, path: string): DynamicWeights {
  const { network } = model;
  try {
    // A layer that is static as a whole stays so, and starts as copies.
    convertToDynamic(network, { keepStatic: staticConvolutions(network) });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new InputError(`model.pretrained: ${path}: ${error.message}: ${toStaticCommand(path)}`, { cause: error });
  }
  return { ...staticWeights(model), isDynamic: true };
}

function staticConvolutions(network: nn.Module): string[] {
  return Array.from(network.namedModules()).flatMap(([path, module]) => (module instanceof nn.Conv ? [path] : []));
}

function assertSame(path: string, of: ModelOptions, model: ModelOptions, keys: readonly (keyof ModelOptions)[]): void {
  const valueOf = (options: ModelOptions, key: keyof ModelOptions): string | number =>
    (key === 'width' ? (options.width ?? publishedWidth(options.name)) : options[key]) ?? 'none';
  for (const key of keys) {
    const [theirs, ours] = [valueOf(of, key), valueOf(model, key)];
    if (theirs === ours) continue;
    throw new InputError(`model.pretrained: ${path} has model.${key}: ${theirs}, here it is ${ours}; give the same`);
  }
}

/** With the key that names the file. */
export function named<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throwNamed(error);
  }
}

/** Throws what reading `model.pretrained` threw, with the key. */
export function throwNamed(error: unknown): never {
  if (!(error instanceof InputError)) throw error;
  throw new InputError(`model.pretrained: ${error.message}`, { cause: error });
}
