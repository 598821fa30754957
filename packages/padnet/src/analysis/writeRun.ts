/**
 * Training in a program of one's own, with the folder that `padnet train` writes: for networks and data that no recipe
 * names.
 */
import { isThere } from '../readRegularFile.js';
import type { nn } from '@padnet/torch';
import { InputError } from '../errors.js';
import { isDynamicLayer } from '../layers/index.js';
import { type LayerKind, loadRouter, type ModelOptions } from '../models/index.js';
import type { CodeOptions } from '../ownCode/index.js';
import { isMasked } from '../partial/index.js';
import { type ProgramRecipe, programRecipeSchema, recipeSettings } from '../recipe/index.js';
import { readAnyRun, RunFolder, savePictureModel, saveProgramModel, type TrainingEvent } from '../runs/index.js';
import { finishedEvent, holdUnfinished, PictureTask, RunWriter, type TrainerOptions } from '../training/index.js';
import { parseAs } from '../schemaProblems.js';
import { taskPass, writeProgramNetwork } from './programNetwork.js';

export interface WriteRunOptions extends Omit<TrainerOptions, 'checkpoints' | 'settings' | 'onPartition'>, CodeOptions {
  /** The run's folder. */
  readonly out: string;
  /**
   * The name of the network in reports; or the options that `createModel` made it from: the commands can then load it,
   * where the task is a `PictureTask`.
   */
  readonly network: string | ModelOptions;
  /** The name of the data in reports. */
  readonly data: string;
  /** Go on from the folder's last checkpoint. @default false */
  readonly resume?: boolean;
  /** Replace a run that is in the folder. @default false */
  readonly force?: boolean;
  /** Resume also where what decides the run's bits has changed; a `changed` event says what. @default false */
  readonly allowChanges?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Trains as `Trainer` does and writes the folder of a run: recipe, environment, checkpoints, events, masks, network.
 * `padnet compare` and `padnet inspect` read it; what needs the program's data, or a network that only the program can
 * make, says so.
 *
 *     const options = { out: 'runs/tiny', network: 'TinyNet', data: 'tones', task, training: { epochs: 3 } };
 *     for await (const event of writeRun(options)) …
 *
 * @throws InputError where the folder has a run already (and neither resume nor force), or one of another program;
 * FolderHeldError where another process trains there; as `Trainer`
 */
export async function* writeRun(options: WriteRunOptions): AsyncGenerator<TrainingEvent, void, undefined> {
  const { out, network, task, resume = false, force = false, allowChanges = false, signal, allowCode } = options;
  const folder = new RunFolder(out);
  const recipe = programRecipe(options);
  const begun = await holdUnfinished(folder, () => {
    if (!resume) {
      folder.checkNew(force);
      return null;
    }
    if (!allowChanges) checkSameProgram(recipe, folder);
    return finishedEvent(folder, recipe, allowChanges);
  });
  if (begun.finished) {
    yield begun.finished;
    return;
  }
  using _hold = begun.hold;
  const model = typeof network === 'string' ? null : pinned(network, { allowCode });
  using pass = await taskPass(task, recipe.training.seed);
  const writer = new RunWriter({
    ...options,
    folder,
    resume,
    force,
    recipe,
    save: (file) => {
      if (model && task instanceof PictureTask) savePictureModel(file, task.network, task.describe(model));
      else saveProgramModel(file, task.network, recipe.model);
    },
    onNetwork: () => {
      writeProgramNetwork(folder.network, task.network, pass);
    },
  });
  yield* writer.train({ signal });
}

function programRecipe({ network, data, task, training, partition, saliency }: WriteRunOptions): ProgramRecipe {
  const name = typeof network === 'string' ? network : network.name;
  const recipe = {
    modality: 'program',
    model: { name, layer: layerOf(task.network) },
    data: { name: data },
    training,
    ...(partition && { partition: { ...partition, ...(saliency && { saliency: saliency.name }) } }),
  };
  return parseAs(programRecipeSchema, recipe, (problems) => new InputError(problems));
}

/** The kind of a network by its layers. */
function layerOf(network: nn.Module): LayerKind {
  const layers = Array.from(network.namedModules(), ([, module]) => module).filter(isDynamicLayer);
  if (layers.some(({ source }) => isMasked(source))) return 'partial';
  return layers.some(({ source }) => source.kind === 'dynamic') ? 'dynamic' : 'static';
}

function pinned(model: ModelOptions, code: CodeOptions): ModelOptions {
  const { router } = model;
  return router === undefined ? model : { ...model, router: loadRouter(router, code).reference };
}

/** @throws InputError naming the first setting that is another */
function checkSameProgram(recipe: ProgramRecipe, folder: RunFolder): void {
  if (!isThere(folder.recipe)) throw new InputError(`${folder.path} has no run to resume: it has no recipe.yaml`);
  const [there, here] = [recipeSettings(readAnyRun(folder.path).recipe), recipeSettings(recipe)];
  const key = [...new Set([...there.keys(), ...here.keys()])].find((each) => there.get(each) !== here.get(each));
  if (key === undefined) return;
  throw new InputError(
    `${folder.path} was started with ${key} ${there.get(key) ?? 'none'}, here it is ${here.get(key) ?? 'none'}; set ` +
      'it back, or choose another folder',
  );
}
