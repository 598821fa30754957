/** Encoders as folders that Hugging Face's library reads too. */
import { join } from 'node:path';
import { saveSafetensors } from '@padnet/torch';
import { makeFolder, writeFileAtomic } from '../../outputFile.js';
import { toHuggingFaceConfig } from './config.js';
import type { SequenceClassifier } from './sequenceClassifier.js';
import { huggingFaceNames } from './weightNames.js';

/**
 * Writes `model.safetensors` under Hugging Face's names, then `config.json`, into `folder`, which is made where needed.
 *
 * @param kept what `config.json` has under `padnet`, which Hugging Face's library passes over
 * @throws RangeError where layers are mixtures of experts, which Hugging Face has no names for
 */
export function savePretrained(folder: string, network: SequenceClassifier, kept?: object): void {
  const state = network.stateDict();
  const tensors = new Map(
    Array.from(huggingFaceNames(network), ([name, huggingFace]) => [huggingFace, state.get(name)!]),
  );
  makeFolder(folder);
  saveSafetensors(join(folder, 'model.safetensors'), tensors, { format: 'pt', generator: 'padnet' });
  const config = { ...toHuggingFaceConfig(network.config), ...(kept && { padnet: kept }) };
  writeFileAtomic(join(folder, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
}
