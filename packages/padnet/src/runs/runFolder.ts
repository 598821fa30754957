/**
 * A run is a folder; every name in it is here.
 *
 *     recipe.yaml            the recipe, complete
 *     split.json             which samples are trained on and tested on, where the data do not say so
 *     environment.json       versions, machine, threads, commit
 *     metrics.jsonl          events, one a line (steps, rounds, epochs, finished)
 *     checkpoints/           step-<n>.safetensors + step-<n>.json, start.json: what decides the bits of the run
 *     partition.safetensors  the masks, once partitioned
 *     model/                 model.safetensors (compact) + model.json: what is deployed and evaluated
 *     divergence.json        of a try of `padnet ablate --tune`: why its training could not go on
 *     network.json           of a program's run: its network layer by layer, as only that program can make it
 */
import { existsSync, readdirSync, realpathSync, rmdirSync, unlinkSync } from 'node:fs';
import { isThere } from '../readRegularFile.js';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { InputError, reasonOf } from '../errors.js';
import { makeFolder, readBeginning } from '../outputFile.js';
import { isLockFile } from './folderLock.js';
import { isLeftover, removeLeftovers } from './appendLine.js';
import { isCheckpointFile, listCheckpoints } from './checkpoint.js';
import { isEnvironment } from './environment.js';
import { parseEvent } from './events.js';
import { filesOfModel } from './savedModel.js';

export class RunFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  get recipe(): string {
    return join(this.path, 'recipe.yaml');
  }

  get split(): string {
    return join(this.path, 'split.json');
  }

  get environment(): string {
    return join(this.path, 'environment.json');
  }

  get metrics(): string {
    return join(this.path, 'metrics.jsonl');
  }

  get checkpoints(): string {
    return join(this.path, 'checkpoints');
  }

  /** The file of what the run began with. */
  get start(): string {
    return join(this.checkpoints, 'start.json');
  }

  get partition(): string {
    return join(this.path, 'partition.safetensors');
  }

  get network(): string {
    return join(this.path, 'network.json');
  }

  get divergence(): string {
    return join(this.path, 'divergence.json');
  }

  get modelWeights(): string {
    return join(this.path, 'model', 'model.safetensors');
  }

  get model(): string {
    return join(this.path, 'model', 'model.json');
  }

  /**
   * Whether there is anything in it. What a process that was killed leaves half-written does not count, nor the
   * environment of a run that has not got its recipe yet.
   */
  get exists(): boolean {
    const names = entries(this.path).filter((name) => !isLeftover(name) && !isLockFile(name));
    return names.some((name) => join(this.path, name) !== this.environment) || (names.length > 0 && !this.#isOurs);
  }

  /** Whether training has written here: a recipe alone may be anybody's. */
  get #isOurs(): boolean {
    return isEnvironment(this.environment) || isMetrics(this.metrics) || listCheckpoints(this.checkpoints).length > 0;
  }

  /**
   * Checks that a new run can be made here; changes nothing.
   *
   * @param force start anew where there is a run already
   * @throws InputError where the folder is not empty and not forced, or is no run
   */
  checkNew(force: boolean): void {
    if (!this.exists) return;
    if (!isThere(this.recipe)) {
      throw new InputError(
        `${this.path} exists and is not a training run (it has no recipe.yaml); choose another folder`,
      );
    }
    if (!force)
      throw new InputError(
        `${this.path} already has a run; --resume goes on with it, --force starts it from the beginning`,
      );
    if (!this.#isOurs) {
      throw new InputError(
        `${this.path} has a recipe.yaml, but none of the files that training writes beside it, so nothing in it ` +
          'is deleted; choose another folder',
      );
    }
  }

  /**
   * Makes the folder for a new run, of which `environment.json` and the recipe are written next. With `force` what
   * training has written to it goes, but for these two; what it has not stays.
   *
   * @throws as `checkNew`
   */
  create(force: boolean): void {
    this.checkNew(force);
    makeFolder(this.path);
    this.clean();
    for (const file of [this.metrics, this.partition, this.network, this.split, this.divergence]) remove(file);
    this.removeCheckpoints();
    const files = filesOfModel(this.model) ?? ['model.json', 'model.safetensors'];
    empty(join(this.path, 'model'), (name) => files.includes(name));
  }

  /** Whether a path is the run's own: the folder, or what training writes to it. */
  owns(path: string): boolean {
    const place = relative(real(this.path), real(path));
    const own = [this.recipe, this.split, this.environment, this.metrics, this.partition, this.network];
    const files = [...own, this.divergence];
    const folders = ['model', 'checkpoints'];
    return ['', ...files.map((file) => basename(file)), ...folders].includes(place) || folders.includes(dirname(place));
  }

  /**
   * Checks that a run which starts anew does not delete what is read for it.
   *
   * @param name how messages name it
   * @throws InputError where it does
   */
  checkInput(path: string, name = path): void {
    if (existsSync(path) && this.owns(path))
      throw new InputError(
        `${name} belongs to the run in ${this.path}, which is to start from the beginning; copy it elsewhere`,
      );
  }

  /** Removes what a session that was killed left half-written. */
  clean(): void {
    for (const folder of [this.path, this.checkpoints, join(this.path, 'model')]) removeLeftovers(folder);
  }

  /** Removes the checkpoints, which a finished run does not need; they are three times as large as its network. */
  removeCheckpoints(): void {
    empty(this.checkpoints, (name) => isCheckpointFile(name) || isLockFile(name) || isLeftover(name));
  }
}

/** Without links; of what is not there as it is written. */
function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

/** Whether a file begins with an event. */
function isMetrics(file: string): boolean {
  try {
    return parseEvent(readBeginning(file).split('\n')[0]!) !== null;
  } catch {
    return false;
  }
}

/** Names in a folder; none where there is no such folder. */
function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new InputError(`${folder} could not be read: ${reasonOf(error)}`, { cause: error });
  }
}

/** Removes the files of these names, and the folder where nothing else is in it. */
function empty(folder: string, isOurs: (name: string) => boolean): void {
  for (const name of entries(folder)) if (isOurs(name)) remove(join(folder, name));
  try {
    rmdirSync(folder);
  } catch {
    // It has something of somebody else's, is a link to where there is room, or is not there.
  }
}

function remove(file: string): void {
  try {
    unlinkSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw new InputError(`${file} could not be removed: ${reasonOf(error)}`, { cause: error });
  }
}
