/** Networks that are ready to be used, wherever they lie. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { CodeOptions } from '../ownCode/index.js';
import { loadRunModel } from './readRun.js';
import { loadModel, type SavedModel } from './savedModel.js';

/** Whether the folder has a network itself, as `padnet convert` writes it; a run has one in `model/`. */
export function hasModel(folder: string): boolean {
  return existsSync(join(folder, 'model.json'));
}

/** The network of a finished run, or of a folder that `padnet convert` wrote. @throws InputError where it is neither, or as `loadModel` */
export function loadAnyModel(folder: string, code: CodeOptions = {}): SavedModel {
  return hasModel(folder) ? loadModel(join(folder, 'model.json'), code) : loadRunModel(folder, code);
}
