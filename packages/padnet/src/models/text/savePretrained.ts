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
 * @param options `kept`: what `config.json` has under `padnet`, which Hugging Face's library passes over; `files`: what
 *   else belongs to the network, noted in the weights for whoever replaces it
 * @throws RangeError where layers are mixtures of experts, which Hugging Face has no names for
 */
export function savePretrained(
  folder: string,
  network: SequenceClassifier,
  { kept, files = [] }: { readonly kept?: object | undefined; readonly files?: readonly string[] } = {},
): void {
  const state = network.stateDict();
  const tensors = new Map(
    Array.from(huggingFaceNames(network), ([name, huggingFace]) => [huggingFace, state.get(name)!]),
  );
  makeFolder(folder);
  saveSafetensors(join(folder, 'model.safetensors'), tensors, {
    format: 'pt',
    generator: 'padnet',
    ...(files.length > 0 && { files: files.join() }),
  });
  const config = { ...toHuggingFaceConfig(network.config), ...(kept && { padnet: kept }) };
  writeFileAtomic(join(folder, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
}
