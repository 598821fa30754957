/** Writes the folder of a run while a trainer trains: what recipes and programs of one's own have in common. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { encodePartition } from '../partition/index.js';
import { appendLine, writeFileAtomic } from './atomicWrite.js';
import { describeEnvironment } from './environment.js';
import { isMetric, type TrainingEvent } from './events.js';
import { serialiseRecipe } from './loadRecipe.js';
import type { RunRecipe } from './recipe.js';
import type { RunFolder } from './runFolder.js';
import { Trainer, type TrainerOptions } from './trainer.js';

export interface RunWriterOptions extends Omit<TrainerOptions, 'checkpoints' | 'onPartition'> {
  readonly folder: RunFolder;
  /** Go on from the folder's last checkpoint. @default false */
  readonly resume?: boolean;
  /** Replace a run that is in the folder. @default false */
  readonly force?: boolean;
  /** What is trained, for `recipe.yaml`. */
  readonly recipe: RunRecipe;
  /** Writes the network that has been trained to its end, at the path of `model.json`. */
  readonly save: (file: string) => void;
  /** Called when the folder is there, and when the network has got its masks. */
  readonly onNetwork?: () => void;
}

export class RunWriter {
  readonly #trainer: Trainer;
  readonly #options: RunWriterOptions;

  /**
   * Writes recipe and environment, or goes on with the run that is there. The folder is changed only when the trainer has found
   * nothing wrong.
   *
   * @throws InputError as `Trainer` and `RunFolder.checkNew`, or where a checkpoint is damaged
   */
  constructor(options: RunWriterOptions) {
    const { folder, resume = false, force = false, recipe, onNetwork } = options;
    this.#options = options;
    this.#trainer = new Trainer({
      ...options,
      checkpoints: folder.checkpoints,
      onPartition: (partition) => {
        writeFileAtomic(folder.partition, encodePartition(partition));
      },
    });
    if (resume) {
      folder.clean();
      this.#trainer.resume();
    } else {
      folder.create(force);
      writeFileAtomic(folder.recipe, serialiseRecipe(recipe));
    }
    if (!existsSync(folder.environment))
      writeFileAtomic(folder.environment, `${JSON.stringify(describeEnvironment(), null, 2)}\n`);
    mkdirSync(folder.checkpoints, { recursive: true });
    truncateLines(folder.metrics, this.#trainer.events);
    onNetwork?.();
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
      if (event.type === 'finished') save(folder.model);
      if (isMetric(event)) appendLine(folder.metrics, JSON.stringify(event));
      yield event;
    }
  }
}

/** Drops the lines of events that came after the checkpoint: they happen again. */
function truncateLines(file: string, count: number): void {
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
  writeFileAtomic(
    file,
    lines
      .slice(0, count)
      .map((line) => `${line}\n`)
      .join(''),
  );
}
