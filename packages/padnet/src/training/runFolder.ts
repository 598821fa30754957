/**
 * A run is a folder; every name in it is here.
 *
 *     recipe.yaml            the recipe, complete
 *     environment.json       versions, machine, threads, commit
 *     metrics.jsonl          events, one a line (steps, rounds, epochs, finished)
 *     checkpoints/           step-<n>.safetensors + step-<n>.json
 *     partition.safetensors  the masks, once partitioned
 *     model/                 model.safetensors (compact) + model.json: what is deployed and evaluated
 *     network.json           of a program's run: its network layer by layer, as only that program can make it
 */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { leftoverWriter, removeLeftovers } from './atomicWrite.js';

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

  get network(): string {
    return join(this.path, 'network.json');
  }

  get modelWeights(): string {
    return join(this.path, 'model', 'model.safetensors');
  }

  get model(): string {
    return join(this.path, 'model', 'model.json');
  }

  /** Whether there is anything in it; what a killed process left half-written does not count. */
  get exists(): boolean {
    return existsSync(this.path) && readdirSync(this.path).some((name) => leftoverWriter(name) === null);
  }

  /**
   * Checks that a new run can be made here; changes nothing.
   *
   * @param force start anew where there is a run already
   * @throws InputError where the folder is not empty and not forced, or is no run
   */
  checkNew(force: boolean): void {
    if (!this.exists) return;
    if (!existsSync(this.recipe)) {
      throw new InputError(`${this.path} exists and is no training run (it has no recipe.yaml); choose another folder`);
    }
    if (!force)
      throw new InputError(`${this.path} already has a run; --resume goes on with it, --force starts it anew`);
  }

  /**
   * Makes the folder for a new run; with `force` the files of a run that is there are removed, its recipe last.
   *
   * @throws as `checkNew`
   */
  create(force: boolean): void {
    this.checkNew(force);
    mkdirSync(this.path, { recursive: true });
    removeLeftovers(this.path);
    for (const path of [
      this.metrics,
      this.checkpoints,
      this.partition,
      this.network,
      join(this.path, 'model'),
      this.environment,
      this.recipe,
    ]) {
      rmSync(path, { recursive: true, force: true });
    }
  }

  /** Removes what a session that was killed left half-written. */
  clean(): void {
    for (const folder of [this.path, this.checkpoints, join(this.path, 'model')]) removeLeftovers(folder);
  }
}
