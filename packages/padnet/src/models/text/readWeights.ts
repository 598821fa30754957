/** The tensors of a Hugging Face folder, whichever way they are stored. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { loadSafetensors, SafetensorsError, type Tensor } from '@padnet/torch';
import { InputError } from '../../errors.js';

export interface StoredWeights {
  /** What messages call the weights. */
  readonly file: string;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

export function readWeights(folder: string): StoredWeights {
  const file = join(folder, 'model.safetensors');
  if (!existsSync(file)) throw new InputError(`${folder}: no weights`);
  try {
    return { file, tensors: loadSafetensors(file).tensors };
  } catch (error) {
    if (error instanceof SafetensorsError) throw new InputError(error.message, { cause: error });
    throw error;
  }
}
