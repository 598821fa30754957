/** A run on disk → what a report says of it. */
import { existsSync, readFileSync } from 'node:fs';
import { InputError } from '../errors.js';
import { tokenise } from '../data/index.js';
import type { CodeOptions } from '../ownCode/index.js';
import { applyPartition, decodePartition } from '../partition/index.js';
import {
  loadPictures,
  loadRunModel,
  loadTexts,
  readAnyRun,
  type Environment,
  type Recipe,
  type Run,
  type SavedModel,
} from '../training/index.js';
import { routerCoefficients } from './coefficients.js';
import { expertLoad } from './expertLoad.js';
import { countNetwork } from './networkCounts.js';
import { readProgramNetwork } from './programNetwork.js';
import { runSummary, type RunEnvironment, type RunSummary, type RunSummaryOptions } from './runSummary.js';
import { networkOfModel, networkOfRecipe } from './shownNetwork.js';

export interface SummariseRunOptions extends CodeOptions {
  /** What the report calls it. */
  readonly name: string;
  /** Told what is left out, and why. */
  readonly onRemark?: (text: string) => void;
}

/**
 * Counts the network and looks at its routers on test data. Without data the routers are left out: a run can be compared on a
 * machine that has only its folder.
 *
 * @throws InputError where `path` is no run, or a file in it is damaged
 */
export async function summariseRun(
  path: string,
  { name, onRemark, allowCode }: SummariseRunOptions,
): Promise<RunSummary> {
  const { folder, recipe, ...told } = readAnyRun(path);
  const { events } = told;
  const environment = runEnvironment(told.environment);
  if (recipe.modality === 'program') {
    const { counts } = readProgramNetwork(folder.network);
    if (counts.layers.length > 0)
      onRemark?.(`without the routers of ${path}: a program of your own trained it, which alone has its data`);
    return runSummary({ name, recipe, events, environment, counts });
  }
  const run = { folder, recipe, ...told };
  const common = { name, recipe, events, environment };
  if (!existsSync(folder.model)) return runSummary({ ...common, ...(await countUnfinished(run, { allowCode })) });
  const model = loadRunModel(path, { allowCode });
  const { network, pass, config } = networkOfModel(model);
  const counted = { ...common, counts: countNetwork(network, pass), config };
  try {
    return runSummary({ ...counted, ...(await lookAtRouters(recipe, model)) });
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    onRemark?.(`without the routers of ${path}: ${error.message}`);
  }
  return runSummary(counted);
}

/** On the test data. */
async function lookAtRouters(
  recipe: Recipe,
  model: SavedModel,
): Promise<Pick<RunSummaryOptions, 'testSamples' | 'coefficients' | 'experts'>> {
  if (model.modality === 'image' && recipe.modality === 'image') {
    const { test } = await loadPictures(recipe.data);
    const { normalise } = model.description;
    return {
      testSamples: test.length,
      coefficients: await routerCoefficients(model.network, test, { transform: { normalise } }),
    };
  }
  if (model.modality === 'text' && recipe.modality === 'text') {
    const { network, tokenizer, description } = model;
    const { test } = loadTexts(recipe.data);
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

/** Of the network that the run trains, with its masks where it has been partitioned. */
async function countUnfinished(
  { folder, recipe }: Run,
  code: CodeOptions,
): Promise<Pick<RunSummaryOptions, 'counts' | 'config'>> {
  const { network, pass, config } = await networkOfRecipe(recipe, code);
  if (existsSync(folder.partition)) {
    const partition = decodePartition(readFileSync(folder.partition), folder.partition);
    applyPartition(network, partition, [() => pass.run()]);
  }
  return { counts: countNetwork(network, pass), config };
}
