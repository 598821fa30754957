/** What a recipe's `model.pretrained` names for pictures. */
import { statSync } from 'node:fs';
import { nn } from '@padnet/torch';
import { convertToDynamic } from '../convert/index.js';
import { InputError } from '../errors.js';
import { readPictureWeights, type DynamicWeights, type ModelOptions, type StaticWeights } from '../models/index.js';
import type { CodeOptions } from '../ownCode/index.js';
import { loadAnyModel, networkPlace } from '../runs/anyModel.js';
import type { PictureModel } from '../runs/savedModel.js';
import { foldCommand } from './staticForm.js';

/** Weights, or a network that is not static, which has to become what the recipe asks for. */
export type PicturePretrained = StaticWeights | PictureModel;

/**
 * Weights are in the caller's scope.
 *
 * @param path a file under torchvision's names, or the folder of a run or of a network that `padnet convert` wrote
 * @throws InputError where it has no weights of a network of that name, or other kernels than `model` asks for
 */
export function readPretrained(path: string, model: ModelOptions, code: CodeOptions = {}): PicturePretrained {
  if (!isFolder(path)) return named(() => readPictureWeights(path, model.name));
  const place = networkPlace(path);
  if (place === 'encoder') throw new InputError(`model.pretrained: ${path} has an encoder for texts`);
  if (place === 'none')
    throw new InputError(
      `model.pretrained: ${path} has no network; expected a file of weights, a run or a converted network`,
    );
  const saved = named(() => loadAnyModel(path, code));
  if (saved.modality !== 'image') throw new InputError(`model.pretrained: ${path} has a network for texts`);
  const { model: of } = saved.description;
  if (of.name !== model.name)
    throw new InputError(`model.pretrained: ${path} is a ${of.name}, model.name is ${model.name}`);
  if (of.layer === 'static') return staticWeights(saved);
  if (model.layer !== 'static') assertSameKernels(path, of, model);
  return saved;
}

export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

export function staticWeights({ network, description: { inChannels, numClasses } }: PictureModel): StaticWeights {
  return { state: network.stateDict(), shape: { inChannels, numClasses } };
}

/**
 * Of a dynamic or partial network, in place: static entries come back into the banks.
 *
 * @param path for errors
 * @throws InputError where they can not
 */
export function dynamicWeights(model: PictureModel, path: string): DynamicWeights {
  const { network } = model;
  try {
    // What is static as a whole stays so, and starts as copies.
    convertToDynamic(network, { keepStatic: staticConvolutions(network) });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new InputError(`model.pretrained: ${path}: ${error.message}: ${foldCommand(path)}`, { cause: error });
  }
  return { ...staticWeights(model), isDynamic: true };
}

function staticConvolutions(network: nn.Module): string[] {
  return Array.from(network.namedModules()).flatMap(([path, module]) => (module instanceof nn.Conv ? [path] : []));
}

function assertSameKernels(path: string, of: ModelOptions, model: ModelOptions): void {
  const keys = ['convolution', 'router', ...(of.convolution === 'dcd' ? [] : (['numKernels'] as const))] as const;
  for (const key of keys) {
    const [theirs, ours] = [of[key] ?? 'none', model[key] ?? 'none'];
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
