/** A training run that is on disk. */
import type { DataSplit } from '../data/index.js';
import { InputError } from '../errors.js';
import type { CodeOptions } from '../ownCode/index.js';
import { isThere, maxSettingsBytes, readRegularFile, readRegularText, type ReadOptions } from '../readRegularFile.js';
import { checkText } from '../text.js';
import { readEnvironment, type Environment } from './environment.js';
import { parseEvent, type TrainingEvent } from './events.js';
import { parseRunRecipe } from '../recipe/loadRecipe.js';
import type { Recipe, RunRecipe } from '../recipe/recipe.js';
import { RunFolder } from './runFolder.js';
import { loadModel, type SavedModel } from './savedModel.js';
import { readSplit } from './splitFile.js';

export interface Run<R extends RunRecipe = Recipe> {
  readonly folder: RunFolder;
  readonly recipe: R;
  readonly environment: Environment | null;
  /** How it divided its samples; absent: its data say so. */
  readonly split?: DataSplit | undefined;
  /** The events of `metrics.jsonl`. */
  readonly events: readonly TrainingEvent[];
}

/**
 * A run that was trained from a recipe.
 *
 * @throws InputError as `readAnyRun`, and where a program of one's own trained it
 */
export function readRun(path: string): Run {
  const run = readAnyRun(path);
  return { ...run, recipe: trainable(path, run.recipe) };
}

function trainable(path: string, recipe: RunRecipe): Recipe {
  if (recipe.modality !== 'program') return recipe;
  throw new InputError(
    `${path} was trained by a program of your own; only that program has its data and can go on with it; ` +
      '`padnet compare` and `padnet inspect` show it',
  );
}

/** @throws InputError where `path` is no run, or a file in it is damaged */
export function readAnyRun(path: string): Run<RunRecipe> {
  const folder = new RunFolder(path);
  const recipe = readAnyRecipe(path);
  return {
    folder,
    recipe,
    environment: isThere(folder.environment) ? readEnvironment(folder.environment) : null,
    split: readSplit(folder.split),
    events: readEvents(folder.metrics),
  };
}

/** The recipe alone, whatever the rest of the run is like. @throws InputError as `readRun` */
export function readRunRecipe(path: string): Recipe {
  return trainable(path, readAnyRecipe(path));
}

/** Also one that a program of one's own wrote. @throws InputError as `readAnyRun` */
export function readAnyRecipe(path: string): RunRecipe {
  const { recipe } = new RunFolder(path);
  if (!isThere(recipe)) throw new InputError(`${path} is not a training run: it has no recipe.yaml`);
  const bytes = readRegularFile(recipe, { expected: 'the recipe of a run', maxBytes: maxSettingsBytes });
  return parseRunRecipe(checkText(bytes, recipe).toString('utf8'), recipe);
}

/** @throws InputError where a line is damaged */
export function readEvents(file: string): TrainingEvent[] {
  return readLines(file).map((line, index) => {
    const event = parseEvent(line);
    if (event) return event;
    throw new InputError(`${file}:${index + 1}: damaged: expected one JSON event per line`);
  });
}

/**
 * The lines of a `metrics.jsonl` but for the last where it was cut off, as by a process that was killed; none where
 * there is no file.
 */
export function readLines(file: string): string[] {
  return (readIfThere(file, { expected: 'the events of a run' }) ?? '').split('\n').slice(0, -1);
}

/** The text of a file; null where there is none. @throws as `readRegularText` */
function readIfThere(file: string, options: ReadOptions): string | null {
  return isThere(file) ? readRegularText(file, options) : null;
}

/**
 * The final network of a run, in evaluation mode.
 *
 * @throws InputError where the run has not finished, or as `loadModel`
 */
export function loadRunModel(path: string, code: CodeOptions = {}): SavedModel {
  const folder = new RunFolder(path);
  if (!isThere(folder.model)) {
    throw new InputError(`${path} has no trained model yet; \`padnet train --resume ${path}\` finishes the run`);
  }
  return loadModel(folder.model, code);
}
