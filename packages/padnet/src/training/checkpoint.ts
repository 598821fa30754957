/**
 * A checkpoint: `step-<n>.safetensors` (weights, optimizer, random state) and `step-<n>.json` (everything else, and the
 * tensors' checksum). The JSON is written last and makes the checkpoint count; both appear whole or not at all, and older
 * checkpoints go only after that, so that a crash or a full disk leaves one that is valid.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { decodeSafetensors, encodeSafetensors, type Tensor } from '@padnet/torch';
import { z } from 'zod';
import { InputError } from '../errors.js';
import { writeFileAtomic } from './runFolder.js';

const stateSchema = z.strictObject({
  format: z.literal('padnet-checkpoint-1'),
  /** Optimizer steps done. */
  step: z.int().min(0),
  /** Epochs done. */
  epoch: z.int().min(0),
  /** Batches done of the epoch under way. */
  batch: z.int().min(0),
  partitioned: z.boolean(),
  /** Events told so far, of which `metrics.jsonl` has the lines. */
  events: z.int().min(0),
  /** Of the epoch under way. */
  lossSum: z.number(),
  images: z.int().min(0),
  trainingSeconds: z.number(),
  optimizer: z.record(z.string(), z.number()),
  threads: z.int(),
  sha256: z.string(),
});
export type CheckpointState = z.infer<typeof stateSchema>;

export interface Checkpoint {
  readonly state: CheckpointState;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** How many checkpoints of a run are kept. */
const kept = 2;

/** @returns the JSON's path */
export function saveCheckpoint(
  folder: string,
  state: Omit<CheckpointState, 'format' | 'sha256'>,
  tensors: ReadonlyMap<string, Tensor>,
): string {
  const name = `step-${String(state.step).padStart(7, '0')}-${String(state.events).padStart(8, '0')}`;
  const bytes = encodeSafetensors(tensors);
  const complete: CheckpointState = {
    format: 'padnet-checkpoint-1',
    ...state,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  };
  const file = join(folder, `${name}.json`);
  writeFileAtomic(join(folder, `${name}.safetensors`), bytes);
  writeFileAtomic(file, `${JSON.stringify(complete, null, 2)}\n`);
  for (const old of listCheckpoints(folder).slice(0, -kept)) {
    rmSync(join(folder, `${old}.json`), { force: true });
    rmSync(join(folder, `${old}.safetensors`), { force: true });
  }
  return file;
}

/** Names of the complete checkpoints in a folder, oldest first. */
export function listCheckpoints(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /^step-\d+-\d+\.json$/.test(name))
    .map((name) => basename(name, '.json'))
    .sort();
}

/**
 * The newest checkpoint of a folder; null where there is none.
 *
 * @throws InputError naming the file where it is damaged, and how to go on from the one before
 */
export function loadLatestCheckpoint(folder: string): Checkpoint | null {
  const name = listCheckpoints(folder).at(-1);
  if (name === undefined) return null;
  const json = join(folder, `${name}.json`);
  const advice = `delete ${name}.json and ${name}.safetensors to go on from the checkpoint before`;
  let state: CheckpointState;
  try {
    state = stateSchema.parse(JSON.parse(readFileSync(json, 'utf8')));
  } catch (error) {
    throw new InputError(`${json}: not a checkpoint (damaged?); ${advice}`, { cause: error });
  }
  const file = join(folder, `${name}.safetensors`);
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new InputError(`${file}: ${(error as Error).message}; ${advice}`, { cause: error });
  }
  if (createHash('sha256').update(bytes).digest('hex') !== state.sha256) {
    throw new InputError(`${file}: damaged, its checksum is not the one in ${name}.json; ${advice}`);
  }
  return { state, tensors: decodeSafetensors(bytes, file).tensors };
}
