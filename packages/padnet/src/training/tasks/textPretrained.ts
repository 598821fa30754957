/** The networks that a recipe's `model.pretrained` may name for texts. */
import { isThere } from '../../readRegularFile.js';
import { dirname } from 'node:path';
import { InputError } from '../../errors.js';
import {
  createTextFrom,
  createTextModel,
  readTextConfig,
  resolvePretrained,
  type LoadPretrainedOptions,
  type SequenceClassifier,
  type TextConfig,
  type TextModelOptions,
} from '../../models/index.js';
import { hasModel, loadAnyModel, networkPlace } from '../../runs/anyModel.js';
import { throwNamed } from './picturePretrained.js';
import { RunFolder } from '../../runs/runFolder.js';
import { ofModality, type TextModel } from '../../runs/savedModel.js';

/** Why a mixture of experts is not made a dense network. */
export const noStaticMixture =
  'a mixture has no static form: each token has its own k experts, whose mean is not a layer that was trained';

export interface TextStart {
  /** The folder of the tokenizer's files; of an encoder as Hugging Face saves it, of all files. */
  readonly folder: string;
  readonly config: TextConfig;
  /** The network of a run or of `padnet convert`; null for an encoder as Hugging Face saves it. */
  readonly saved: TextModel | null;
}

/**
 * @param pretrained folder of a run, of a network that `padnet convert` wrote or of an encoder as Hugging Face saves
 * it, or the name of one on the hub, which is downloaded where it is not here yet
 * @throws InputError where it is none of these
 */
export async function resolveTextStart(pretrained: string, signal?: AbortSignal): Promise<TextStart> {
  const run = new RunFolder(pretrained);
  const isRun = isThere(run.recipe);
  if (!isRun && !hasModel(pretrained) && networkPlace(pretrained) !== 'compact') {
    const folder = await resolvePretrained(pretrained, signal ? { signal } : {}).catch(throwNamed);
    return { folder, config: readTextConfig(folder), saved: null };
  }
  const saved = ofModality('text', loadAnyModel(pretrained), `model.pretrained: ${pretrained}`);
  return { folder: isRun ? dirname(run.model) : pretrained, config: saved.network.config, saved };
}

/**
 * The network that training starts from.
 *
 * @throws InputError where the weights do not fit, naming key or tensors
 */
export function createFromStart(
  model: TextModelOptions,
  { folder, saved }: TextStart,
  loading: LoadPretrainedOptions,
): SequenceClassifier {
  if (!saved) return createTextModel(model, { folder, ...loading });
  const { model: of } = saved.description;
  const refuse = (text: string): InputError => new InputError(`model.pretrained: ${model.pretrained} ${text}`);
  if (of.layer !== 'static' && !model.fromScratch) {
    if (model.layer === 'static')
      throw refuse(
        `has model.layer: ${of.layer}; ${noStaticMixture}; model.layer: partial with partition.ratio: 0 trains a ` +
          'static one from it',
      );
    for (const key of ['numExperts', 'routing'] as const)
      if (of[key] !== model[key]) throw refuse(`has model.${key}: ${of[key]}, here it is ${model[key]}; give the same`);
  }
  try {
    return createTextFrom(model, { network: saved.network, model: of }, loading);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw refuse(`does not fit: ${error.message}`);
  }
}
