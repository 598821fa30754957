/** A trained network on disk: `model.json` says what it is, `model.safetensors` has its weights in the compact form. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { decodeSafetensors, encodeSafetensors, scope, type nn } from '@padnet/torch';
import { z } from 'zod';
import { describeIssues, InputError } from '../errors.js';
import { createModel, modelSchema } from '../models/index.js';
import { compactStateDict, loadCompactStateDict } from '../partial/index.js';
import { writeFileAtomic } from './atomicWrite.js';

const descriptionSchema = z.strictObject({
  format: z.literal('padnet-model-1'),
  model: modelSchema,
  inChannels: z.int().min(1),
  numClasses: z.int().min(1),
  /** Height and width of the pictures that it was trained on. */
  size: z.tuple([z.int(), z.int()]),
  classNames: z.array(z.string()),
  /** In units where black is 0 and white 1, by channel. */
  normalise: z.strictObject({ mean: z.array(z.number()), std: z.array(z.number()) }),
});

/** All that is needed to run a network on new pictures, but its weights. */
export type ModelDescription = Omit<z.infer<typeof descriptionSchema>, 'format'>;

/** Writes the weights, then `model.json` at `file`. */
export function saveModel(file: string, network: nn.Layer, description: ModelDescription): void {
  const bytes = scope(() => encodeSafetensors(compactStateDict(network)));
  writeFileAtomic(join(dirname(file), 'model.safetensors'), bytes);
  writeFileAtomic(file, `${JSON.stringify({ format: 'padnet-model-1', ...description }, null, 2)}\n`);
}

/**
 * The network in evaluation mode, and what it was trained for.
 *
 * @param file the path of `model.json`
 * @throws InputError where a file is missing or damaged, or weights and description do not fit
 */
export function loadModel(file: string): { network: nn.Layer; description: ModelDescription } {
  const { model, inChannels, numClasses, size, classNames, normalise } = parseDescription(file);
  const weights = join(dirname(file), 'model.safetensors');
  const network = createModel(model, { inChannels, numClasses });
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(weights);
  } catch (error) {
    throw new InputError(`${weights}: ${describeReadError(error)}`, { cause: error });
  }
  scope(() => {
    const { tensors } = decodeSafetensors(bytes, weights);
    try {
      loadCompactStateDict(network, tensors);
    } catch (error) {
      throw new InputError(`${weights}: ${(error as Error).message}`, { cause: error });
    }
  });
  network.eval();
  return { network, description: { model, inChannels, numClasses, size, classNames, normalise } };
}

function parseDescription(file: string): z.infer<typeof descriptionSchema> {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new InputError(`${file}: ${describeReadError(error)}`, { cause: error });
  }
  const parsed = descriptionSchema.safeParse(json);
  if (!parsed.success) throw new InputError(`${file}: not a model: ${describeIssues(parsed.error)}`);
  return parsed.data;
}

function describeReadError(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'there is no such file';
  return error instanceof SyntaxError ? `damaged, it is not JSON (${message})` : message;
}
