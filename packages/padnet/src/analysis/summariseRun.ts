/** A run on disk → what a report says of it. */
import { isThere } from '../readRegularFile.js';
import { InputError } from '../errors.js';
import { textModelSchema } from '../models/index.js';
import type { CodeOptions } from '../ownCode/index.js';
import type { Recipe } from '../recipe/index.js';
import {
  type Environment,
  loadAnyModel,
  loadRunModel,
  networkPlace,
  readAnyRun,
  type SavedModel,
  type SplitOptions,
  splitOfRun,
} from '../runs/index.js';
import { countNetwork } from './networkCounts.js';
import { readProgramNetwork } from './programNetwork.js';
import { viewOf, type RunModel } from './networkFacts.js';
import { runSummary, type RunEnvironment, type RunSummary } from './runSummary.js';
import { networkOfFolder, networkOfModel, networkOfRun } from './shownNetwork.js';
import type { RouterFindings, ShownNetwork } from './view.js';

export interface SummariseRunOptions extends CodeOptions {
  /** Its name in the report. */
  readonly name: string;
  /** Told in a sentence what is left out, and why, and what is noteworthy of the data. */
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
  const { events } = told;
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
    return runSummary({ ...counted, ...(await lookAtRouters(recipe, model, splitOfRun(folder, onRemark))) });
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
  const { modality, model } = saved.description;
  return { ...networkOfModel(saved), model: { modality, model } as RunModel };
}

function encoderAt(path: string): NetworkAt {
  return { ...networkOfFolder(path), model: { modality: 'text', model: textModelSchema.parse({ pretrained: path }) } };
}

/** The decisions of the routers on the test data. */
async function lookAtRouters(
  recipe: Recipe,
  model: SavedModel,
  division: SplitOptions,
): Promise<Partial<RouterFindings>> {
  if (recipe.modality !== model.modality)
    throw new InputError(`its recipe is for ${recipe.modality}, its network for ${model.modality}`);
  return await viewOf(recipe.modality).findings(recipe, model, division);
}

export function runEnvironment(environment: Environment | null): RunEnvironment | null {
  if (!environment) return null;
  const { cpu, cores, threads, commit } = environment;
  return { machine: `${cpu}, ${cores} cores`, threads, commit };
}
