/**
 * `trainRecipe` in a process of its own, for several runs one after the other: each has its own peak memory, and a run that
 * the system kills does not end the others.
 */
import { fork } from 'node:child_process';
import { on, once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { ownCommand } from '../runs/folderLock.js';
import type { TrainingEvent } from '../runs/events.js';
import type { Recipe } from '../recipe/recipe.js';
import { trainingEvents, type TrainingWorkerData, type TrainingWorkerMessage } from './trainInWorker.js';
import type { TrainRecipeOptions } from './trainRecipe.js';

/** As `trainInWorker`. Ended by the parent, also where that is killed, the process saves before it exits. */
export async function* trainInProcess(
  recipe: Recipe,
  options: TrainRecipeOptions,
): AsyncGenerator<TrainingEvent, void, undefined> {
  const { signal, ...rest } = options;
  const child = fork(fileURLToPath(new URL('./trainingProcess.js', import.meta.url)), {
    serialization: 'advanced',
    execArgv: [],
  });
  const exited = once(child, 'exit') as Promise<[code: number | null, signalName: string | null]>;
  const send = (message: TrainingWorkerData | 'abort'): void => {
    if (child.connected) child.send(message, () => undefined); // one that has gone is told of by its exit
  };
  const abort = (): void => {
    send('abort');
  };
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const messages = on(child, 'message', { close: ['disconnect'] }) as AsyncIterable<[TrainingWorkerMessage]>;
    send({ recipe, options: rest, aborted: signal?.aborted ?? false, command: ownCommand() });
    if (yield* trainingEvents(messages)) return;
    const [code, signalName] = await exited;
    // Ctrl-C can come before the process is ready for it.
    if (signalName !== null && ['SIGINT', 'SIGTERM', 'SIGHUP'].includes(signalName)) signal?.throwIfAborted();
    throw new Error(`the training process ended unexpectedly (${signalName ?? `exit code ${code}`})`);
  } finally {
    signal?.removeEventListener('abort', abort);
    abort();
    await exited;
  }
}
