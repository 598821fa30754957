/** The tensors of a Hugging Face folder, whichever way they are stored. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { decodeTorchArchive, loadSafetensors, type Tensor } from '@padnet/torch';
import { z } from 'zod';
import { InputError, reasonOf } from '../../errors.js';
import { readJson } from '../../jsonFile.js';
import { readRegularFile } from '../../readRegularFile.js';

export interface StoredWeights {
  /** The name of the weights in messages. */
  readonly file: string;
  /** They belong to the enclosing scope. */
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** In the order of preference; the hub's files have the same names. */
export const weightFiles = ['model.safetensors', 'model.safetensors.index.json', 'pytorch_model.bin'] as const;

/** @throws InputError where there are no weights in `folder`, or they are damaged */
export function readWeights(folder: string): StoredWeights {
  const name = weightFiles.find((candidate) => existsSync(join(folder, candidate)));
  if (name === undefined) {
    throw new InputError(`${folder}: no weights; expected one of ${weightFiles.join(', ')}`);
  }
  const file = join(folder, name);
  return explain(file, () => ({ file, tensors: readers[name](file, folder) }));
}

const readers: Readonly<
  Record<(typeof weightFiles)[number], (file: string, folder: string) => ReadonlyMap<string, Tensor>>
> = {
  'model.safetensors': (file) => loadSafetensors(file).tensors,
  'model.safetensors.index.json': (file, folder) => {
    const shards = shardNames(file);
    return new Map(shards.flatMap((shard) => [...loadSafetensors(join(folder, shard)).tensors]));
  },
  'pytorch_model.bin': (file) => decodeTorchArchive(readRegularFile(file, { expected: 'weights' }), file),
};

const indexSchema = z.object({
  weight_map: z.record(
    z.string(),
    z
      .string()
      .regex(/^[\w-][\w.-]*\.safetensors$/)
      .describe('the name of a shard'),
  ),
});

/** The files that a `model.safetensors.index.json` names. @throws InputError where it is no such index */
export function shardNames(file: string): string[] {
  const index = readJson(file, indexSchema, { expected: 'an index of weights', wayOut: 'get it again' });
  return [...new Set(Object.values(index.weight_map))].sort();
}

function explain<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof InputError) throw error;
    const reason = reasonOf(error);
    throw new InputError(reason.startsWith(file) ? reason : `${file}: ${reason}`, { cause: error });
  }
}
