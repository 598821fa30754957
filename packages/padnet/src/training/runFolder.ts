/**
 * A run is a folder; every name in it is here.
 *
 *     recipe.yaml            the recipe, complete
 *     environment.json       versions, machine, threads, commit
 *     metrics.jsonl          events, one a line (steps, rounds, epochs, finished)
 *     checkpoints/           step-<n>.safetensors + step-<n>.json
 *     partition.safetensors  the masks, once partitioned
 *     model/                 model.safetensors (compact) + model.json: what is deployed and evaluated
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { InputError } from '../errors.js';

export class RunFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  get recipe(): string {
    return join(this.path, 'recipe.yaml');
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

  get partition(): string {
    return join(this.path, 'partition.safetensors');
  }

  get modelWeights(): string {
    return join(this.path, 'model', 'model.safetensors');
  }

  get model(): string {
    return join(this.path, 'model', 'model.json');
  }

  get exists(): boolean {
    return existsSync(this.path) && readdirSync(this.path).length > 0;
  }

  /**
   * Makes the folder for a new run.
   *
   * @param force start anew where there is a run already, whose files are then removed
   * @throws InputError where the folder is not empty and not forced, or is no run
   */
  create(force: boolean): void {
    if (this.exists) {
      if (!existsSync(this.recipe)) {
        throw new InputError(
          `${this.path} exists and is no training run (it has no recipe.yaml); choose another folder`,
        );
      }
      if (!force)
        throw new InputError(`${this.path} already has a run; --resume goes on with it, --force starts it anew`);
      for (const name of [
        'metrics.jsonl',
        'checkpoints',
        'partition.safetensors',
        'model',
        'environment.json',
        'recipe.yaml',
      ]) {
        rmSync(join(this.path, name), { recursive: true, force: true });
      }
    }
    mkdirSync(this.checkpoints, { recursive: true });
  }
}

/**
 * Writes a whole file so that at any instant, also of a crash or a full disk, either the old or the new one is there: under a
 * temporary name, synced, renamed.
 */
export function writeFileAtomic(file: string, data: string | Uint8Array): void {
  mkdirSync(dirname(file), { recursive: true });
  const temporary = join(dirname(file), `.${basename(file)}.${process.pid}.tmp`);
  try {
    const descriptor = openSync(temporary, 'w');
    try {
      const bytes = typeof data === 'string' ? Buffer.from(data) : data;
      for (let offset = 0; offset < bytes.length;) offset += writeSync(descriptor, bytes, offset);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, file);
    const folder = openSync(dirname(file), 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
