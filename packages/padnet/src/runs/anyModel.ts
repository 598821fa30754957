/** Networks that are ready to be used, wherever they lie. */
import { existsSync } from 'node:fs';
import { isFolder, isThere } from '../readRegularFile.js';
import { dirname, join } from 'node:path';
import { loadSafetensors, scope } from '@padnet/torch';
import { InputError } from '../errors.js';
import { loadTokenizer } from '../data/index.js';
import { loadPretrained, maxTokens, textModelSchema } from '../models/index.js';
import type { CodeOptions } from '../ownCode/index.js';
import { loadRunModel } from './readRun.js';
import { RunFolder } from './runFolder.js';
import { loadModel, pretrainedDescription, type SavedModel, type TextModel } from './savedModel.js';

/** The kind of network that lies at a path, as far as names tell. */
export type NetworkPlace = 'run' | 'converted' | 'encoder' | 'weights' | 'masks' | 'compact' | 'none';

export function networkPlace(path: string): NetworkPlace {
  if (!isFolder(path)) {
    if (!existsSync(path) || !/\.(safetensors|pth|pt|bin)$/.test(path)) return 'none';
    return kindOfTensors(path);
  }
  if (isThere(new RunFolder(path).recipe)) return 'run';
  if (hasModel(path)) return 'converted';
  return isThere(join(path, 'config.json')) ? 'encoder' : 'none';
}

function kindOfTensors(file: string): 'weights' | 'masks' | 'compact' {
  try {
    const { partition, format = '' } = scope(() => loadSafetensors(file).metadata);
    if (partition !== undefined) return 'masks';
    return format.startsWith('padnet-compact-') ? 'compact' : 'weights';
  } catch {
    return 'weights'; // of another format, or damaged
  }
}

/** Whether the folder has a network itself, as `padnet convert` writes it; a run has one in `model/`. */
export function hasModel(folder: string): boolean {
  return isThere(join(folder, 'model.json'));
}

/**
 * An encoder as Hugging Face saves it, with a head that has been trained.
 *
 * @throws InputError where it has none, or a file is missing or damaged
 */
function loadEncoder(folder: string): TextModel {
  const { network, config, missing } = loadPretrained(folder);
  if (missing.length > 0) {
    throw new InputError(
      `${folder} has no head that gives classes (${missing.join(', ')} missing); ` +
        `a recipe with model.pretrained: ${folder} trains one`,
    );
  }
  const model = textModelSchema.parse({ pretrained: folder });
  const kept = pretrainedDescription(folder, config);
  const description = { modality: 'text', model, maxLength: maxTokens(config), ...kept } as const;
  return { modality: 'text', network: network.eval(), tokenizer: loadTokenizer(folder), description };
}

/** The folder that has the files of a network itself, such as a tokenizer's. */
export function folderOfModel(path: string): string {
  const { recipe, model } = new RunFolder(path);
  return isThere(recipe) ? dirname(model) : path;
}

/** As `loadAnyModel`, or an encoder with a head that has been trained. */
export function loadAnswering(path: string, code: CodeOptions = {}): SavedModel {
  return networkPlace(path) === 'encoder' ? loadEncoder(path) : loadAnyModel(path, code);
}

/**
 * The network of a finished run, or of a folder that `padnet convert` wrote.
 *
 * @throws InputError where it is neither, saying what to do with what it is
 */
export function loadAnyModel(path: string, code: CodeOptions = {}): SavedModel {
  const place = networkPlace(path);
  switch (place) {
    case 'run':
      return loadRunModel(path, code);
    case 'converted':
      return loadModel(join(path, 'model.json'), code);
    case 'encoder':
      throw new InputError(
        `${path} is an encoder as Hugging Face saves it, ` +
          'not a run or a network that `padnet convert` wrote for padnet; ' +
          `a recipe with model.pretrained: ${path} trains from it, ` +
          '`padnet convert` makes a mixture or a partial one of it',
      );
    case 'weights':
      throw new InputError(
        `${path} is a file of weights; \`padnet convert ${path} --model <name> --layer static --out <folder>\` makes ` +
          'a network of it, a recipe with model.pretrained trains from it',
      );
    case 'masks':
      throw new InputError(
        `${path} is a file of masks, not a network; ` +
          `\`padnet mask show ${path}\` shows them, a recipe with partition.masks trains with them`,
      );
    case 'compact':
      throw new InputError(
        `${path} is a compact file; \`padnet convert ${path} --to training --out <folder>\` makes a network of it ` +
          'that every command takes',
      );
    case 'none':
      throw new InputError(
        existsSync(path)
          ? `${path} has no network; expected the folder of a run, or of a network that \`padnet convert\` wrote`
          : `${path}: there is no such folder`,
      );
    default:
      return place satisfies never;
  }
}
