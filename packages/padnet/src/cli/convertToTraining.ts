/** A compact file as the folder of a network that every command takes. */
import { join } from 'node:path';
import { scope } from '@padnet/torch';
import { InputError } from '../errors.js';
import { type CompactDType, readCompactFile } from '../export/compactForm.js';
import { trainingForm } from '../export/trainingForm.js';
import { isFolder, readRegularFile } from '../readRegularFile.js';
import { loadModel, saveDescribedModel } from '../runs/index.js';
import { type WrittenNetwork, writtenNetwork } from './converter.js';
import { writeNetworkFolder } from './networkFolder.js';

/** @throws InputError where `path` is no compact file, or the folder to write has a network */
export async function convertToTraining(
  path: string,
  out: string,
  force: boolean,
): Promise<WrittenNetwork & { readonly dtype: CompactDType }> {
  if (isFolder(path)) {
    throw new InputError(
      `${path} is a folder, expected a compact file; \`padnet compact ${path} --out <file>\` writes one`,
    );
  }
  const bytes = readRegularFile(path, { expected: 'a compact file' });
  return await writeNetworkFolder(out, { source: path, force }, (folder) => {
    const place = join(folder, 'model.json');
    const dtype = scope(() => {
      const file = readCompactFile(bytes, path);
      saveDescribedModel(place, trainingForm(file, path), file.description, file.tokenizer);
      return file.dtype;
    });
    return { dtype, ...writtenNetwork(loadModel(place), folder, out) };
  });
}
