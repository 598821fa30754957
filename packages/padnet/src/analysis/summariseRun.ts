/** A run on disk → what a report says of it. */
import { isThere } from '../readRegularFile.js';
import { InputError } from '../errors.js';
import { tokenise } from '../data/index.js';
import { textModelSchema } from '../models/index.js';
import type { CodeOptions } from '../ownCode/index.js';
import {
  type Environment,
  loadAnyModel,
  loadRunModel,
  networkPlace,
  readAnyRun,
  type Run,
  type SavedModel,
} from '../runs/index.js';
import { loadPictures, loadTexts } from '../training/index.js';
import { routerCoefficients } from './coefficients.js';
import { expertLoad } from './expertLoad.js';
import { countNetwork } from './networkCounts.js';
import { readProgramNetwork } from './programNetwork.js';
import type { RunModel } from './networkFacts.js';
import { runSummary, type RunEnvironment, type RunSummary, type RunSummaryOptions } from './runSummary.js';
import { networkOfFolder, networkOfModel, networkOfRun, type ShownNetwork } from './shownNetwork.js';

export interface SummariseRunOptions extends CodeOptions {
  /** Its name in the report. */
  readonly name: string;
  /** Told what is left out, and why. */
  readonly onRemark?: (text: string) => void;
}

/**
 * Counts the network and looks at its routers on test data. Without data the routers are left out: a run can be
 * compared on a machine that has only its folder. Of a network that is no run (`padnet convert` wrote it, or Hugging
 * Face's library) there are counts alone.
 *
 * @throws InputError where `path` is none of these, or a file in it is damaged
 */
export async function summariseRun(
  path: string,
  { name, onRemark, allowCode }: SummariseRunOptions,
): Promise<RunSummary> {
  if (networkPlace(path) !== 'run') return summariseNetwork(path, name, { allowCode });
  const { folder, recipe, ...told } = readAnyRun(path);
  const { events, split } = told;
  const environment = runEnvironment(told.environment);
  if (recipe.modality === 'program') {
    const { counts } = readProgramNetwork(folder.network);
    if (counts.layers.length > 0)
      onRemark?.(`without the routers of ${path}: a program of your own trained it, which alone has its data`);
    return runSummary({ name, recipe, events, environment, counts });
  }
  const common = { name, recipe, events, environment };
  if (!isThere(folder.model)) {
    const { network, pass, config } = await networkOfRun({ folder, recipe, ...told }, { allowCode });
    return runSummary({ ...common, counts: countNetwork(network, pass), config });
  }
  const model = loadRunModel(path, { allowCode });
  const { network, pass, config } = networkOfModel(model);
  const counted = { ...common, counts: countNetwork(network, pass), config };
  try {
    return runSummary({ ...counted, ...(await lookAtRouters({ recipe, split }, model)) });
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const missing = counted.counts.layers.length > 0 ? 'the routers' : 'the number of test samples';
    onRemark?.(`without ${missing} of ${path}: ${error.message}`);
  }
  return runSummary(counted);
}

/** The numbers that a network that is no run stores and executes. */
function summariseNetwork(path: string, name: string, code: CodeOptions): RunSummary {
  const isEncoder = networkPlace(path) === 'encoder';
  const { network, pass, config, model } = isEncoder ? encoderAt(path) : savedAt(path, code);
  return runSummary({ name, recipe: model, events: [], counts: countNetwork(network, pass), config });
}

type NetworkAt = ShownNetwork & { readonly model: RunModel };

function savedAt(path: string, code: CodeOptions): NetworkAt {
  const saved = loadAnyModel(path, code);
  const model: RunModel =
    saved.modality === 'image'
      ? { modality: 'image', model: saved.description.model }
      : { modality: 'text', model: saved.description.model };
  return { ...networkOfModel(saved), model };
}

function encoderAt(path: string): NetworkAt {
  return { ...networkOfFolder(path), model: { modality: 'text', model: textModelSchema.parse({ pretrained: path }) } };
}

/** On the test data. */
async function lookAtRouters(
  { recipe, split }: Pick<Run, 'recipe' | 'split'>,
  model: SavedModel,
): Promise<Pick<RunSummaryOptions, 'testSamples' | 'coefficients' | 'experts'>> {
  if (model.modality === 'image' && recipe.modality === 'image') {
    const { test } = await loadPictures(recipe.data, { split });
    const { normalise } = model.description;
    return {
      testSamples: test.length,
      coefficients: await routerCoefficients(model.network, test, { transform: { normalise } }),
    };
  }
  if (model.modality === 'text' && recipe.modality === 'text') {
    const { network, tokenizer, description } = model;
    const { test } = loadTexts(recipe.data, { split });
    const tokenised = tokenise(test, tokenizer, { maxLength: description.maxLength });
    return { testSamples: test.length, experts: await expertLoad(network, tokenised, { tokenizer }) };
  }
  throw new InputError(`its recipe is for ${recipe.modality}, its network for ${model.modality}`);
}

export function runEnvironment(environment: Environment | null): RunEnvironment | null {
  if (!environment) return null;
  const { cpu, cores, threads, commit } = environment;
  return { machine: `${cpu}, ${cores} cores`, threads, commit };
}
