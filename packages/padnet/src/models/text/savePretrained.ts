/** Encoders as folders that Hugging Face's library reads too. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { saveSafetensors, writeFileAtomically } from '@padnet/torch';
import { toHuggingFaceConfig } from './config.js';
import type { SequenceClassifier } from './sequenceClassifier.js';
import { huggingFaceNames } from './weightNames.js';

/**
 * Writes `model.safetensors` under Hugging Face's names, then `config.json`, into `folder`, which is made where needed.
 *
 * @throws RangeError where layers are mixtures of experts, which Hugging Face has no names for
 */
export function savePretrained(folder: string, network: SequenceClassifier): void {
  const state = network.stateDict();
  const tensors = new Map(
    Array.from(huggingFaceNames(network), ([name, huggingFace]) => [huggingFace, state.get(name)!]),
  );
  mkdirSync(folder, { recursive: true });
  saveSafetensors(join(folder, 'model.safetensors'), tensors, { format: 'pt' });
  const config = `${JSON.stringify(toHuggingFaceConfig(network.config), null, 2)}\n`;
  writeFileAtomically(join(folder, 'config.json'), (write) => {
    write(new TextEncoder().encode(config));
  });
}
