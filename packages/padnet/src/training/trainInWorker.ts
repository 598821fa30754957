/** `trainRecipe` on a thread of its own: the event loop of the caller stays free for servers, progress bars and Ctrl-C. */
import { on } from 'node:events';
import { Worker } from 'node:worker_threads';
import { explained } from '../errors.js';
import { ownCommand } from '../runs/folderLock.js';
import type { TrainingEvent } from '../runs/events.js';
import type { Recipe } from '../recipe/recipe.js';
import type { TrainRecipeOptions } from './trainRecipe.js';

/** What the thread is started with. */
export interface TrainingWorkerData {
  readonly recipe: Recipe;
  readonly options: Omit<TrainRecipeOptions, 'signal'>;
  /** Whether the signal was aborted before the start. */
  readonly aborted: boolean;
  /** What this process does, for others to know who holds the folder. */
  readonly command: string;
}

/** What the thread sends. */
export type TrainingWorkerMessage =
  | { readonly type: 'event'; readonly event: TrainingEvent }
  | { readonly type: 'end' }
  | { readonly type: 'error'; readonly error: unknown; readonly name: string };

/** What becomes of an error on its way: a name and a message are all that arrives of it. */
export function trainingError(error: unknown): TrainingWorkerMessage {
  const sent = explained(error);
  return { type: 'error', error: sent, name: sent instanceof Error ? sent.name : 'Error' };
}

/** The events that a training sends; throws its error. @returns whether it told its end */
export async function* trainingEvents(
  messages: AsyncIterable<[TrainingWorkerMessage]>,
): AsyncGenerator<TrainingEvent, boolean, undefined> {
  for await (const [message] of messages) {
    switch (message.type) {
      case 'event':
        yield message.event;
        break;
      case 'error':
        if (message.error instanceof Error) message.error.name = message.name; // structured clone keeps the message alone
        throw message.error;
      case 'end':
        return true;
    }
  }
  return false;
}

/** As `trainRecipe`. An error arrives with its name and message; leaving the loop early stops the run after saving. */
export async function* trainInWorker(
  recipe: Recipe,
  options: TrainRecipeOptions,
): AsyncGenerator<TrainingEvent, void, undefined> {
  const { signal, ...rest } = options;
  const workerData: TrainingWorkerData = {
    recipe,
    options: rest,
    aborted: signal?.aborted ?? false,
    command: ownCommand(),
  };
  const worker = new Worker(new URL('./trainingWorker.js', import.meta.url), { workerData, execArgv: [] });
  const abort = (): void => {
    worker.postMessage('abort');
  };
  signal?.addEventListener('abort', abort, { once: true });
  const exited = new Promise<void>((resolve) => {
    worker.once('exit', () => {
      resolve();
    });
  });
  try {
    const messages = on(worker, 'message', { close: ['exit'] }) as AsyncIterable<[TrainingWorkerMessage]>;
    if (yield* trainingEvents(messages)) return;
    throw new Error('the training thread ended unexpectedly');
  } finally {
    signal?.removeEventListener('abort', abort);
    abort();
    await exited;
  }
}
