/**
 * A checkpoint: `step-<n>.safetensors` (weights, optimizer, random state) and `step-<n>.json` (everything else, with
 * the checksums of both). The JSON is written last and makes the checkpoint count; both appear whole or not at all, and
 * older checkpoints go only after that, so that a crash or a full disk leaves one that is valid. The newest two are
 * kept.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { decodeSafetensors, encodeSafetensors, type Tensor } from '@padnet/torch';
import { z } from 'zod';
import { InputError, reasonOf } from '../errors.js';
import { writeFileAtomic } from '../outputFile.js';
import { maxSettingsBytes, readRegularFile, readRegularText } from '../readRegularFile.js';
import { fingerprintSchema } from './fingerprint.js';
import { scheduleStarts } from '../recipe/recipe.js';

/**
 * Where a training stands: a trainer has it, its checkpoints keep it. Epochs and batches count from 0 here, from 1 in
 * events.
 */
const progressSchema = z.object({
  /** Optimizer steps done. */
  step: z.int().min(0),
  /** Epochs done. */
  epoch: z.int().min(0),
  /** Batches done of the epoch under way. */
  batch: z.int().min(0),
  partitioned: z.boolean(),
  /** As in the recipe; checkpoints of before there was a choice do not say. */
  scheduleStart: z.enum(scheduleStarts).default('firstStep'),
  /** Lines of `metrics.jsonl` so far: the events of the run (not of its sessions, see `isMetric`). */
  events: z.int().min(0),
  /** Digest of these events, see `digestOfLine`. */
  history: z.string(),
  /** Sum of the samples' losses, and the number of samples, of the epoch under way. */
  lossSum: z.number(),
  samples: z.int().min(0),
  /** Seconds of the steps of the epoch under way, and of waiting for data between them. */
  stepSeconds: z.number(),
  waitSeconds: z.number(),
  /** Seconds of the whole run. */
  trainingSeconds: z.number(),
});
export type Progress = z.infer<typeof progressSchema>;

const secondSchema = z.strictObject({
  format: z.literal('padnet-checkpoint-2'),
  ...progressSchema.shape,
  /** Steps in the average of the weights, which is in the tensors; 0 without one. */
  averageUpdates: z.int().min(0).default(0),
  /** The best epoch so far with early stopping, whose network is in the tensors. */
  best: z.strictObject({ score: z.number(), epoch: z.int().min(1) }).nullable(),
  optimizer: z.record(z.string(), z.number()),
  threads: z.int(),
  fingerprint: fingerprintSchema,
  /** Checksum of the tensors' file. */
  sha256: z.string(),
  /** Checksum of all else in this file. */
  checksum: z.string(),
});

const firstSchema = secondSchema
  .omit({ history: true, fingerprint: true, checksum: true })
  .extend({ format: z.literal('padnet-checkpoint-1') });

type Stored = z.infer<typeof secondSchema>;
/** `fingerprint` and `history` are null where an older version wrote it. */
export type CheckpointState = Omit<Stored, 'format' | 'checksum' | 'fingerprint' | 'history'> & {
  readonly [Key in 'fingerprint' | 'history']: Stored[Key] | null;
};

/** @param told what the run has told by then, which an older checkpoint does not know */
export function progressAt(state: CheckpointState, told: Pick<Progress, 'events' | 'history'>): Progress {
  return progressSchema.parse({ ...state, ...told });
}

/** The digest of a run's events up to one: that of those before it, and its line of `metrics.jsonl`. */
export function digestOfLine(before: string, line: string): string {
  return createHash('sha256').update(before).update(line).digest('hex');
}

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
  state: Omit<Stored, 'format' | 'sha256' | 'checksum'>,
  tensors: ReadonlyMap<string, Tensor>,
): string {
  const name = newName(folder, state);
  const bytes = encodeSafetensors(tensors);
  const unsigned = { format: 'padnet-checkpoint-2', ...state, sha256: sha256(bytes) };
  const complete = { ...unsigned, checksum: sha256(JSON.stringify(unsigned)) };
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

/** Whether a file of this name is one of a run's checkpoints, or of what it began with. */
export function isCheckpointFile(name: string): boolean {
  return name === 'start.json' || /^step-\d+-\d+\.(json|safetensors)$/.test(name);
}

/** Names of the complete checkpoints in a folder, oldest first; none where there is no such folder. */
export function listCheckpoints(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^step-\d+-\d+\.json$/.test(name))
    .map((name) => basename(name, '.json'))
    .sort();
}

export interface LatestState {
  readonly name: string;
  /** The JSON's path. */
  readonly file: string;
  readonly state: CheckpointState;
  /** How to go on without this checkpoint. */
  readonly advice: string;
}

/**
 * The newest checkpoint of a folder without its tensors; null where there is none.
 *
 * @throws as `loadLatestCheckpoint`
 */
export function readLatestState(folder: string): LatestState | null {
  const names = listCheckpoints(folder);
  const name = names.at(-1);
  if (name === undefined) return null;
  const file = join(folder, `${name}.json`);
  const instead = names.length > 1 ? 'go on from the checkpoint before' : 'start from the beginning';
  const advice = `delete ${name}.json and ${name}.safetensors to ${instead}`;
  try {
    return {
      name,
      file,
      state: parseState(readRegularText(file, { expected: 'a checkpoint', maxBytes: maxSettingsBytes }), name),
      advice,
    };
  } catch (error) {
    throw new InputError(`${file}: not a checkpoint (damaged?); ${advice}`, { cause: error });
  }
}

/**
 * The newest checkpoint of a folder; null where there is none.
 *
 * @throws InputError naming the file where it is damaged, and how to go on without it
 */
export function loadLatestCheckpoint(folder: string): Checkpoint | null {
  const latest = readLatestState(folder);
  if (!latest) return null;
  const { name, state, advice } = latest;
  const file = join(folder, `${name}.safetensors`);
  let bytes: Uint8Array;
  try {
    bytes = readRegularFile(file, { expected: 'the tensors of a checkpoint' });
  } catch (error) {
    throw new InputError(`${reasonOf(error)}; ${advice}`, { cause: error });
  }
  if (sha256(bytes) !== state.sha256) {
    throw new InputError(`${file}: damaged, its checksum is not the one in ${name}.json; ${advice}`);
  }
  return { file: latest.file, state, tensors: decodeSafetensors(bytes, file).tensors };
}

/** @throws Error where the text is no state, or not that of a checkpoint of this name */
function parseState(text: string, name: string): CheckpointState {
  const value = JSON.parse(text) as unknown;
  const first = firstSchema.safeParse(value);
  if (first.success) {
    // Without a checksum of its own: but the name says as much.
    if (checkpointName(first.data) !== name) throw new Error('step or events are not those of the name');
    return { ...first.data, fingerprint: null, history: null };
  }
  const state = secondSchema.parse(value);
  const { checksum, ...unsigned } = value as Stored;
  if (sha256(JSON.stringify(unsigned)) !== checksum) throw new Error('the checksum is another');
  return state;
}

/** After those that are there: where events have been lost, there are fewer than before. */
function newName(folder: string, state: Pick<CheckpointState, 'step' | 'events'>): string {
  const name = checkpointName(state);
  const last = listCheckpoints(folder).at(-1);
  const [, step, events] = /^step-(\d+)-(\d+)$/.exec(last ?? '') ?? [];
  if (last === undefined || last < name || Number(step) !== state.step) return name;
  return last === name ? name : checkpointName({ step: state.step, events: Number(events) + 1 });
}

function checkpointName({ step, events }: Pick<CheckpointState, 'step' | 'events'>): string {
  return `step-${String(step).padStart(7, '0')}-${String(events).padStart(8, '0')}`;
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
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
