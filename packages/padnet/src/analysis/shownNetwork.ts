/** Networks to look at: what a recipe would train, or what a run has trained, with a sample to run through it. */
import { readTextConfig, SequenceClassifier, textModelSchema } from '../models/index.js';
import type { CodeOptions } from '../ownCode/index.js';
import { applyPartition, decodePartition } from '../partition/index.js';
import type { Recipe } from '../recipe/index.js';
import { loadAnyModel, loadRunModel, networkPlace, type Run, type SavedModel } from '../runs/index.js';
import { isThere, readRegularFile } from '../readRegularFile.js';
import { type RunModel, viewOf } from './networkFacts.js';
import { textPass } from './samplePass.js';
import type { ShownNetwork } from './view.js';

/** A network with the weights it was trained to. */
export function networkOfModel(model: Pick<SavedModel, 'modality' | 'network' | 'description'>): ShownNetwork {
  return viewOf(model.modality).ofModel(model);
}

/**
 * A network with fresh weights: only sizes are read, of pictures and encoders.
 *
 * @throws InputError where files are missing or damaged, or as `createModel`
 */
export async function networkOfRecipe(recipe: Recipe, code: CodeOptions = {}): Promise<ShownNetwork> {
  return await viewOf(recipe.modality).ofRecipe(recipe, code);
}

/**
 * The trained network of a run; where it has not finished, what it trains, with its masks where it has been
 * partitioned.
 */
export async function networkOfRun({ folder, recipe }: Run, code: CodeOptions = {}): Promise<ShownNetwork> {
  if (isThere(folder.model)) return networkOfModel(loadRunModel(folder.path, code));
  const shown = await networkOfRecipe(recipe, code);
  if (isThere(folder.partition)) {
    const partition = decodePartition(readRegularFile(folder.partition, { expected: 'masks' }), folder.partition);
    applyPartition(shown.network, partition, [() => shown.pass.run()]);
  }
  return shown;
}

/** The static encoder of a folder with a `config.json`. @throws InputError where it is damaged */
export function networkOfFolder(folder: string): ShownNetwork {
  const config = readTextConfig(folder);
  const network = new SequenceClassifier(config);
  return { network, pass: textPass(network), config };
}

/**
 * A network that is no run: one that `padnet convert` wrote, or an encoder as Hugging Face saves it; and the part of a
 * recipe that makes one like it.
 */
export function networkWithoutRun(path: string, code: CodeOptions): ShownNetwork & { readonly recipe: RunModel } {
  if (networkPlace(path) === 'encoder') {
    const model = textModelSchema.parse({ pretrained: path });
    return { ...networkOfFolder(path), recipe: { modality: 'text', model } };
  }
  const saved = loadAnyModel(path, code);
  const { modality, model } = saved.description;
  return { ...networkOfModel(saved), recipe: { modality, model } as RunModel };
}
