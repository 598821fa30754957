/**
 * A checkpoint: `step-<n>.safetensors` (weights, optimizer, random state) and `step-<n>.json` (everything else, and the
 * tensors' checksum). The JSON is written last and makes the checkpoint count; both appear whole or not at all, and older
 * checkpoints go only after that, so that a crash or a full disk leaves one that is valid. The newest two are kept.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { decodeSafetensors, encodeSafetensors, type Tensor } from '@padnet/torch';
import { z } from 'zod';
import { InputError, reasonOf } from '../errors.js';
import { writeFileAtomic } from './atomicWrite.js';
import { scheduleStarts } from './recipe.js';

const stateSchema = z.strictObject({
  format: z.literal('padnet-checkpoint-1'),
  /** Optimizer steps done. */
  step: z.int().min(0),
  /** Epochs done. */
  epoch: z.int().min(0),
  /** Batches done of the epoch under way. */
  batch: z.int().min(0),
  partitioned: z.boolean(),
  /** As in the recipe; checkpoints of before there was a choice do not say. */
  scheduleStart: z.enum(scheduleStarts).default('firstStep'),
  /** Steps in the average of the weights, which is in the tensors; 0 without one. */
  averageUpdates: z.int().min(0).default(0),
  /** Of early stopping: the best epoch so far, whose network is in the tensors. */
  best: z.strictObject({ score: z.number(), epoch: z.int().min(1) }).nullable(),
  /** Lines of `metrics.jsonl` so far. */
  events: z.int().min(0),
  /** Of the epoch under way. */
  lossSum: z.number(),
  samples: z.int().min(0),
  /** Of the epoch under way: of its steps, and of waiting for data between them. */
  stepSeconds: z.number(),
  waitSeconds: z.number(),
  /** Of the whole run. */
  trainingSeconds: z.number(),
  optimizer: z.record(z.string(), z.number()),
  threads: z.int(),
  sha256: z.string(),
});
export type CheckpointState = z.infer<typeof stateSchema>;

export interface Checkpoint {
  /** The JSON's path. */
  readonly file: string;
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
  removeIncomplete(folder);
  try {
    writeFileAtomic(join(folder, `${name}.safetensors`), bytes);
    writeFileAtomic(file, `${JSON.stringify(complete, null, 2)}\n`);
  } catch (error) {
    removeIncomplete(folder);
    throw error;
  }
  for (const old of listCheckpoints(folder).slice(0, -kept)) {
    rmSync(join(folder, `${old}.json`), { force: true });
    rmSync(join(folder, `${old}.safetensors`), { force: true });
  }
  return file;
}

/** Names of the complete checkpoints in a folder, oldest first; none where there is no such folder. */
export function listCheckpoints(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^step-\d+-\d+\.json$/.test(name))
    .map((name) => basename(name, '.json'))
    .sort();
}

/**
 * The newest checkpoint of a folder; null where there is none.
 *
 * @throws InputError naming the file where it is damaged, and how to go on without it
 */
export function loadLatestCheckpoint(folder: string): Checkpoint | null {
  const names = listCheckpoints(folder);
  const name = names.at(-1);
  if (name === undefined) return null;
  const json = join(folder, `${name}.json`);
  const instead = names.length > 1 ? 'go on from the checkpoint before' : 'start from the beginning';
  const advice = `delete ${name}.json and ${name}.safetensors to ${instead}`;
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
    throw new InputError(`${file}: ${reasonOf(error)}; ${advice}`, { cause: error });
  }
  if (createHash('sha256').update(bytes).digest('hex') !== state.sha256) {
    throw new InputError(`${file}: damaged, its checksum is not the one in ${name}.json; ${advice}`);
  }
  return { file: json, state, tensors: decodeSafetensors(bytes, file).tensors };
}

/** Removes tensors without their JSON: of a checkpoint that could not be completed. */
export function removeIncomplete(folder: string): void {
  if (!existsSync(folder)) return;
  const complete = new Set(listCheckpoints(folder));
  for (const name of readdirSync(folder)) {
    if (/^step-\d+-\d+\.safetensors$/.test(name) && !complete.has(basename(name, '.safetensors')))
      rmSync(join(folder, name), { force: true });
  }
}
