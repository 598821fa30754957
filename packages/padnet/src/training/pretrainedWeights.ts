/** What a recipe's `model.pretrained` names for pictures. */
import { existsSync, statSync } from 'node:fs';
import { InputError } from '../errors.js';
import { readPictureWeights, type ModelOptions, type StaticWeights } from '../models/index.js';
import type { CodeOptions } from '../ownCode/index.js';
import { hasModel, loadAnyModel } from './anyModel.js';
import { foldObstacle } from './foldModel.js';
import { RunFolder } from './runFolder.js';

/**
 * Weights of a static network, in the caller's scope.
 *
 * @param path a file under torchvision's names, or the folder of a run or of a network that `padnet convert` wrote
 * @throws InputError where it has no weights of a static network of that name
 */
export function readPretrained(path: string, name: ModelOptions['name'], code: CodeOptions = {}): StaticWeights {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return readPictureWeights(path, name);
  if (!hasModel(path) && !existsSync(new RunFolder(path).recipe))
    throw new InputError(
      `model.pretrained: ${path} has no network; expected a file of weights, a run or a converted network`,
    );
  const saved = loadAnyModel(path, code);
  if (saved.modality !== 'image') throw new InputError(`model.pretrained: ${path} has a network for texts`);
  const { model, inChannels, numClasses } = saved.description;
  if (model.name !== name) throw new InputError(`model.pretrained: ${path} is a ${model.name}, model.name is ${name}`);
  if (model.layer !== 'static') {
    const advice =
      foldObstacle(path, saved) ?? `\`padnet convert ${path} --layer static --out <folder>\` makes one of it`;
    throw new InputError(
      `model.pretrained: ${path} has model.layer: ${model.layer}, a static network is needed; ${advice}`,
    );
  }
  return { state: saved.network.stateDict(), shape: { inChannels, numClasses } };
}
