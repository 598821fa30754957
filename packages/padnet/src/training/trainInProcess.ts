/**
 * `trainRecipe` in a process of its own: the event loop of the caller stays free for servers, progress bars and Ctrl-C,
 * each run has its own peak memory, and one that the system kills ends no other.
 */
import { fork } from 'node:child_process';
import { on, once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { getNumThreads } from '@padnet/torch';
import { LOST_EXIT_CODE } from '@padnet/torch/distributed';
import { explained } from '../errors.js';
import { ownWork, type Work } from '../runs/folderLock.js';
import type { TrainingEvent } from '../runs/events.js';
import type { Recipe } from '../recipe/recipe.js';
import type { TrainRecipeOptions } from './trainRecipe.js';

/** The training that the process is to do. */
export interface TrainingOrder {
  readonly recipe: Recipe;
  readonly options: Omit<TrainRecipeOptions, 'signal'>;
  /** Whether the signal was aborted before the start. */
  readonly aborted: boolean;
  /** Those of the caller. */
  readonly threads: number;
  /** The caller's work, for others to know who holds the folder. */
  readonly work: Work;
}

/** A message that the process sends. */
export type TrainingMessage =
  | { readonly type: 'event'; readonly event: TrainingEvent }
  | { readonly type: 'end' }
  | { readonly type: 'error'; readonly error: unknown; readonly name: string };

/** The message for an error: a name and a message are all that arrives of it. */
export function trainingError(error: unknown): TrainingMessage {
  const sent = explained(error);
  return { type: 'error', error: sent, name: sent instanceof Error ? sent.name : 'Error' };
}

/**
 * As `trainRecipe`. An error arrives with its name and message. Where the loop is left early, and where the caller
 * ends, be it killed, the process saves before it exits.
 */
export async function* trainInProcess(
  recipe: Recipe,
  options: TrainRecipeOptions,
): AsyncGenerator<TrainingEvent, void, undefined> {
  const { signal, ...rest } = options;
  const threads = getNumThreads();
  const child = fork(fileURLToPath(new URL('./trainingProcess.js', import.meta.url)), {
    serialization: 'advanced',
    execArgv: [],
  });
  const exited = once(child, 'exit') as Promise<[code: number | null, signalName: string | null]>;
  const send = (message: TrainingOrder | 'abort'): void => {
    if (child.connected) child.send(message, () => undefined); // one that has gone is told of by its exit
  };
  const abort = (): void => {
    send('abort');
  };
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const messages = on(child, 'message', { close: ['disconnect'] }) as AsyncIterable<[TrainingMessage]>;
    const aborted = signal?.aborted ?? false;
    send({ recipe, options: rest, aborted, threads, work: ownWork() });
    for await (const [message] of messages) {
      if (message.type === 'end') return;
      if (message.type === 'error') {
        // Structured clone keeps only the message.
        if (message.error instanceof Error) message.error.name = message.name;
        throw message.error;
      }
      yield message.event;
    }
    const [code, signalName] = await exited;
    // Ctrl-C can come before the process is ready for it.
    if (signalName !== null && ['SIGINT', 'SIGTERM', 'SIGHUP'].includes(signalName)) signal?.throwIfAborted();
    if (code === LOST_EXIT_CODE) throw new Error('the training was ended, as another rank is lost');
    throw new Error(`the training process ended unexpectedly (${signalName ?? `exit code ${code}`})`);
  } finally {
    signal?.removeEventListener('abort', abort);
    abort();
    await exited;
  }
}
