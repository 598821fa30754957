/** Writes the folder of a run while a trainer trains: what recipes and programs of one's own have in common. */
import type { DataSplit } from '../data/index.js';
import { InputError } from '../errors.js';
import { readJson } from '../jsonFile.js';
import { writeFileAtomic } from '../outputFile.js';
import { decodePartition, encodePartition, type Partition } from '../partition/index.js';
import { isThere, readRegularFile } from '../readRegularFile.js';
import { holdFolder } from '../runs/folderLock.js';
import { appendLine } from '../runs/appendLine.js';
import { readLatestState } from '../runs/checkpoint.js';
import { describeEnvironment, isEnvironment } from '../runs/environment.js';
import { isMetric, parseEvent, type FinishedEvent, type TrainingEvent } from '../runs/events.js';
import {
  assertUnchanged,
  changesSince,
  fingerprintSchema,
  weightsFingerprint,
  type Fingerprint,
} from '../runs/fingerprint.js';
import { serialiseRecipe } from '../recipe/loadRecipe.js';
import { readAnyRecipe, readLines } from '../runs/readRun.js';
import type { RunRecipe } from '../recipe/recipe.js';
import type { RunFolder } from '../runs/runFolder.js';
import { writeSplit } from '../runs/splitFile.js';
import { Trainer, type TrainerOptions } from './trainer.js';

export interface RunWriterOptions extends Omit<TrainerOptions, 'checkpoints' | 'settings' | 'onPartition'> {
  /** Held by the caller. */
  readonly folder: RunFolder;
  /** Go on from the folder's last checkpoint. @default false */
  readonly resume?: boolean;
  /** Replace a run that is in the folder. @default false */
  readonly force?: boolean;
  /** Resume also where what decides the run's bits has changed. @default false */
  readonly allowChanges?: boolean;
  /** The recipe that is trained, for `recipe.yaml`. */
  readonly recipe: RunRecipe;
  /** How the samples were divided, where the data did not say so. */
  readonly split?: DataSplit | null;
  /** Writes the network that has been trained to its end, at the path of `model.json`. */
  readonly save: (file: string) => void;
  /** Called when the folder is there, and when the network has got its masks. */
  readonly onNetwork?: () => void;
}

export class RunWriter {
  readonly #trainer: Trainer;
  readonly #options: RunWriterOptions;

  /**
   * Writes recipe and environment, or goes on with the run that is there. The folder is changed only when the trainer
   * has found nothing wrong.
   *
   * @throws InputError as `Trainer` and `RunFolder.checkNew`, or where a checkpoint is damaged or what it was made with
   *   has changed
   */
  constructor(options: RunWriterOptions) {
    const { folder, resume = false, force = false, allowChanges = false, recipe, onNetwork } = options;
    this.#options = options;
    this.#trainer = new Trainer({
      ...options,
      checkpoints: folder.checkpoints,
      settings: recipe,
      onPartition: (partition) => {
        writeFileAtomic(folder.partition, encodePartition(partition));
      },
    });
    const lines = resume
      ? this.#trainer.resume({ allowChanges, history: { file: folder.metrics, lines: readLines(folder.metrics) } })
      : null;
    const start = lines === null ? startOf(this.#trainer) : null;
    if (resume && start) checkStart(folder, start, allowChanges);
    if (resume) folder.clean();
    else folder.create(force);
    this.#describe({ anew: !resume, withRecipe: !resume || allowChanges });
    if (this.#trainer.partition) restorePartition(folder.partition, this.#trainer.partition, lines ?? []);
    if (start) writeFileAtomic(folder.start, `${JSON.stringify(start, null, 2)}\n`);
    writeFileAtomic(folder.metrics, (lines ?? []).map((line) => `${line}\n`).join(''));
    onNetwork?.();
  }

  /** Writes what the run is, or what is missing or damaged of that. */
  #describe({ anew, withRecipe }: { readonly anew: boolean; readonly withRecipe: boolean }): void {
    const { folder, recipe, split } = this.#options;
    if (anew || !isEnvironment(folder.environment))
      writeFileAtomic(folder.environment, `${JSON.stringify(describeEnvironment(), null, 2)}\n`);
    if (split && (anew || !isThere(folder.split))) writeSplit(folder.split, split);
    if (withRecipe || !isThere(folder.recipe)) writeFileAtomic(folder.recipe, serialiseRecipe(recipe));
  }

  /** Trains, and writes checkpoints, events, masks and at the end the network. @throws as `Trainer.run` */
  async *train({ signal }: { readonly signal?: AbortSignal | undefined } = {}): AsyncGenerator<
    TrainingEvent,
    void,
    undefined
  > {
    const { folder, save, onNetwork } = this.#options;
    for await (const event of this.#trainer.run({ signal })) {
      if (event.type === 'partition') onNetwork?.();
      if (event.type === 'checkpoint') this.#describe({ anew: false, withRecipe: false });
      if (event.type === 'finished') save(folder.model);
      if (isMetric(event)) appendLine(folder.metrics, JSON.stringify(event));
      yield event;
    }
  }
}

/**
 * Writes the masks that a checkpoint has where the file has others, or is missing or damaged; the scores are lost then.
 */
function restorePartition(file: string, partition: Partition, lines: readonly string[]): void {
  if (hasMasks(file, partition)) return;
  const rounds = lines.flatMap((line) => {
    const event = parseEvent(line);
    if (event?.type !== 'partitionRound') return [];
    const { round, keepRatio, dynamicRatio } = event;
    return { round, keepRatio, dynamicRatio };
  });
  writeFileAtomic(
    file,
    encodePartition({ ...partition, rounds: partition.rounds.length > 0 ? partition.rounds : rounds }),
  );
}

function hasMasks(file: string, { masks }: Partition): boolean {
  try {
    const found = decodePartition(readRegularFile(file, { expected: 'a partition' }), file).masks;
    return found.size === masks.size && [...masks].every(([path, mask]) => found.get(path)?.equals(mask) === true);
  } catch {
    return false;
  }
}

/** Either the run has finished, or its folder is held. */
export type Begun = { readonly finished: FinishedEvent } | { readonly finished: null; readonly hold: Disposable };

/**
 * Holds the folder of a run that is to be trained.
 *
 * @param look how the run ended, null where it is to be trained; throws where it cannot be
 * @throws as `look` and `holdFolder`
 */
export async function holdUnfinished({ path }: RunFolder, look: () => FinishedEvent | null): Promise<Begun> {
  const finished = look(); // before a folder is made for nothing
  if (finished) return { finished };
  const hold = await holdFolder(path);
  let isHeld = false;
  try {
    const meanwhile = look(); // another process may have been quicker
    if (meanwhile) return { finished: meanwhile };
    isHeld = true;
    return { finished: null, hold };
  } finally {
    if (!isHeld) hold[Symbol.dispose]();
  }
}

/**
 * How a run ended that is not to be trained any further; null where it is to be.
 *
 * @throws InputError where there is none to go on with, or its recipe is no longer the one that it was trained with
 */
export function finishedEvent(folder: RunFolder, recipe: RunRecipe, allowChanges: boolean): FinishedEvent | null {
  if (!isThere(folder.recipe)) throw new InputError(`${folder.path} has no run to resume: it has no recipe.yaml`);
  if (!isThere(folder.model)) return null;
  const checkpoint = readLatestState(folder.checkpoints);
  const last = parseEvent(readLines(folder.metrics).at(-1) ?? '');
  if (last?.type !== 'finished') {
    if (checkpoint) return null;
    throw new InputError(
      `${folder.path} has a trained network, but no checkpoint to go on from, and ${folder.metrics} does not say ` +
        `that the run finished; put that file back, or delete ${folder.path} and train again`,
    );
  }
  const before = checkpoint?.state.fingerprint?.settings ?? readAnyRecipe(folder.path);
  const changes = changesSince({ settings: before, parts: {} }, { settings: recipe, parts: {} });
  if (!allowChanges) assertUnchanged(changes, folder.path);
  const { epochs, earlyStopping } = recipe.training;
  const isOfRecipe = changes.length === 0 && (earlyStopping ? last.epoch <= epochs : last.epoch === epochs);
  if (isOfRecipe) return last;
  if (checkpoint) return null;
  throw new InputError(
    `${folder.path} has finished at epoch ${last.epoch}, by another recipe, and has no checkpoint to go on from; ` +
      'put the recipe back, or train in another folder',
  );
}

/** The fingerprint of what a run begins with: as its checkpoints know it, and the weights. */
function startOf(trainer: Trainer): Fingerprint {
  const { settings, parts } = trainer.fingerprint;
  return { settings, parts: { ...parts, 'initial weights': weightsFingerprint(trainer.network) } };
}

/** @throws InputError where a run that was killed before its first checkpoint began with something else */
function checkStart({ start }: RunFolder, now: Fingerprint, allowChanges: boolean): void {
  if (allowChanges || !isThere(start)) return;
  const before = readJson(start, fingerprintSchema, {
    expected: 'what training wrote about its start',
    wayOut: 'delete it to start from the beginning',
  });
  assertUnchanged(changesSince(before, now), start);
}
