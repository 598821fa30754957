/** A training run that is on disk. */
import { existsSync, readFileSync } from 'node:fs';
import { InputError } from '../errors.js';
import type { CodeOptions } from '../ownCode/index.js';
import { environmentSchema, type Environment } from './environment.js';
import type { TrainingEvent } from './events.js';
import { parseRunRecipe } from './loadRecipe.js';
import type { Recipe, RunRecipe } from './recipe.js';
import { RunFolder } from './runFolder.js';
import { loadModel, type SavedModel } from './savedModel.js';

export interface Run<R extends RunRecipe = Recipe> {
  readonly folder: RunFolder;
  readonly recipe: R;
  readonly environment: Environment | null;
  /** What `metrics.jsonl` tells. */
  readonly events: readonly TrainingEvent[];
}

/** A run that was trained from a recipe. @throws InputError as `readAnyRun`, and where a program of one's own trained it */
export function readRun(path: string): Run {
  const run = readAnyRun(path);
  const { recipe } = run;
  if (recipe.modality !== 'program') return { ...run, recipe };
  throw new InputError(
    `${path} was trained by a program of your own, which alone has its data and can go on with it; \`padnet compare\` and ` +
      '`padnet inspect` show it',
  );
}

/** @throws InputError where `path` is no run, or a file in it is damaged */
export function readAnyRun(path: string): Run<RunRecipe> {
  const folder = new RunFolder(path);
  if (!existsSync(folder.recipe)) throw new InputError(`${path} is no training run: it has no recipe.yaml`);
  const recipe = parseRunRecipe(readFileSync(folder.recipe, 'utf8'), folder.recipe);
  return { folder, recipe, environment: readEnvironment(folder.environment), events: readEvents(folder.metrics) };
}

function readEnvironment(file: string): Environment | null {
  if (!existsSync(file)) return null;
  try {
    return environmentSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    throw new InputError(`${file}: damaged: expected the JSON that training wrote`, { cause: error });
  }
}

/** The last line may be cut off, where the run was killed while writing it. @throws InputError where another line is damaged */
export function readEvents(file: string): TrainingEvent[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  lines.pop();
  return lines.map((line, index) => {
    try {
      return JSON.parse(line) as TrainingEvent;
    } catch (error) {
      throw new InputError(`${file}:${index + 1}: damaged: expected one JSON event a line`, { cause: error });
    }
  });
}

/** The final network of a run, in evaluation mode. @throws InputError where the run has not finished, or as `loadModel` */
export function loadRunModel(path: string, code: CodeOptions = {}): SavedModel {
  const folder = new RunFolder(path);
  if (!existsSync(folder.model)) {
    throw new InputError(`${path} has no trained model yet; \`padnet train --resume ${path}\` finishes the run`);
  }
  return loadModel(folder.model, code);
}
