/** A run on disk → what a report says of it. */
import { isThere } from '../readRegularFile.js';
import { InputError, NonFiniteError } from '../errors.js';
import type { CodeOptions } from '../ownCode/index.js';
import {
  type Environment,
  loadRunModel,
  networkPlace,
  readAnyRun,
  type Run,
  type SavedModel,
  splitOfRun,
} from '../runs/index.js';
import { modelToMeanCoefficients } from '../training/index.js';
import { countNetwork } from './networkCounts.js';
import { readProgramNetwork } from './programNetwork.js';
import { viewOf } from './networkFacts.js';
import type { RouterState } from './routerStates.js';
import { runSummary, type RunEnvironment, type RunSummary } from './runSummary.js';
import { networkOfModel, networkOfRun, networkWithoutRun } from './shownNetwork.js';
import type { ShownNetwork } from './view.js';

export interface SummariseRunOptions extends CodeOptions {
  /** Its name in the report. */
  readonly name: string;
  /** Told in a sentence what is left out, and why, and what is noteworthy of the data. */
  readonly onRemark?: (text: string) => void;
  /**
   * Whether to score the network with routing switched off, too, where that takes `maxMeanMacs` multiplications at
   * most.
   *
   * @default false
   */
  readonly meanCoefficients?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** About two minutes of two cores. */
const maxMeanMacs = 1e13;

/**
 * Counts the network and looks at its routers on test data. Without data the routers are left out: a run can be
 * compared on a machine that has only its folder. Of a network that is no run (`padnet convert` wrote it, or Hugging
 * Face's library) there are counts alone.
 *
 * @throws InputError where `path` is none of these, or a file in it is damaged
 */
export async function summariseRun(
  path: string,
  { name, onRemark, meanCoefficients = false, signal, allowCode }: SummariseRunOptions,
): Promise<RunSummary> {
  const code = { allowCode };
  if (networkPlace(path) !== 'run') {
    const { recipe, ...shown } = networkWithoutRun(path, code);
    return runSummary({ name, recipe, events: [], ...counted(shown) });
  }
  const { recipe, ...run } = readAnyRun(path);
  const { folder, events } = run;
  const common = { name, recipe, events, environment: runEnvironment(run.environment) };
  if (recipe.modality === 'program') {
    const { counts } = readProgramNetwork(folder.network);
    if (counts.layers.length > 0)
      onRemark?.(`without the routers of ${path}: a program of your own trained it, which alone has its data`);
    return runSummary({ ...common, counts });
  }
  if (!isThere(folder.model))
    return runSummary({ ...common, ...counted(await networkOfRun({ recipe, ...run }, code)) });
  const model = loadRunModel(path, code);
  const summary = { ...common, ...counted(networkOfModel(model)) };
  try {
    if (recipe.modality !== model.modality)
      throw new InputError(`its recipe is for ${recipe.modality}, its network for ${model.modality}`);
    const division = splitOfRun(folder, onRemark);
    const findings = await viewOf(recipe.modality).findings(recipe, model, division);
    if (!meanCoefficients || summary.counts.layers.length === 0) return runSummary({ ...summary, ...findings });
    const macs = (findings.testSamples ?? 0) * summary.counts.macs;
    if (macs > maxMeanMacs) {
      onRemark?.(
        `without the score of ${path} with mean coefficients, which takes long: ` +
          `\`padnet eval ${path} --coefficients mean\` measures it`,
      );
      return runSummary({ ...summary, ...findings });
    }
    const task = await modelToMeanCoefficients(recipe, model, { ...division, allowCode, signal });
    const { score, loss: testLoss } = await task.evaluate({ signal });
    return runSummary({ ...summary, ...findings, meanCoefficients: { score, testLoss } });
  } catch (error) {
    if (!(error instanceof InputError || error instanceof NonFiniteError)) throw error;
    const missing = summary.counts.layers.length > 0 ? 'the routers' : 'the number of test samples';
    onRemark?.(`without ${missing} of ${path}: ${error.message}`);
  }
  return runSummary(summary);
}

/**
 * What the routers of a trained run do on its test data.
 *
 * @param onRemark told in a sentence why nothing is known of them, and what is noteworthy of the data
 */
export async function routersOfRun(
  { folder, recipe }: Run,
  model: SavedModel,
  onRemark?: (text: string) => void,
): Promise<readonly RouterState[]> {
  try {
    if (recipe.modality !== model.modality)
      throw new InputError(`its recipe is for ${recipe.modality}, its network for ${model.modality}`);
    return await viewOf(recipe.modality).routers(recipe, model, splitOfRun(folder, onRemark));
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    onRemark?.(`without the routers of ${folder.path}: ${error.message}`);
    return [];
  }
}

/** The numbers that a network stores and executes. */
function counted({ network, pass, config }: ShownNetwork) {
  return { counts: countNetwork(network, pass), config };
}

export function runEnvironment(environment: Environment | null): RunEnvironment | null {
  if (!environment) return null;
  const { cpu, cores, threads, commit } = environment;
  return { machine: `${cpu}, ${cores} cores`, threads, commit };
}
