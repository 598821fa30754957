/** A compact file as the folder of a network that every command takes. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { scope } from '@padnet/torch';
import { countNetwork, modelLayerName, networkOfModel, type NetworkCounts } from '../analysis/index.js';
import { InputError } from '../errors.js';
import { type CompactDType, readCompactFile } from '../export/compactForm.js';
import { trainingForm } from '../export/trainingForm.js';
import { isFolder, readRegularFile } from '../readRegularFile.js';
import { loadModel, saveDescribedModel } from '../runs/index.js';
import { writeNetworkFolder } from './networkFolder.js';

export interface TrainingConversion {
  readonly dtype: CompactDType;
  /** The kind of layers, as reports call it. */
  readonly layerName: string;
  readonly counts: NetworkCounts;
  readonly file: string;
  readonly fileBytes: number;
}

/** @throws InputError where `path` is no compact file, or the folder to write has a network */
export async function convertToTraining(
  path: string,
  { out, force = false }: { readonly out: string; readonly force?: boolean | undefined },
): Promise<TrainingConversion> {
  if (isFolder(path)) {
    throw new InputError(
      `${path} is a folder, expected a compact file; \`padnet compact ${path} --out <file>\` writes one`,
    );
  }
  const bytes = readRegularFile(path, { expected: 'a compact file' });
  return await writeNetworkFolder(out, { source: path, force }, async (folder) => {
    const dtype = scope(() => {
      const file = readCompactFile(bytes, path);
      saveDescribedModel(join(folder, 'model.json'), trainingForm(file, path), file.description, file.tokenizer);
      return file.dtype;
    });
    const written = loadModel(join(folder, 'model.json'));
    const { network, pass } = networkOfModel(written);
    return await Promise.resolve({
      dtype,
      layerName: modelLayerName(written.description.model),
      counts: countNetwork(network, pass),
      file: join(out, 'model.safetensors'),
      fileBytes: statSync(join(folder, 'model.safetensors')).size,
    });
  });
}
