/** An engine in a worker of its own. */
import type { Engine, EngineOptions, Facts } from '../engine/engine.js';
import type { LoadProgress } from '../engine/modelFiles.js';
import { InputError } from '../errors.js';
import { WORKER_NAME, type Call, type Load, type Reply, type Request } from './messages.js';
import type { WebPicture } from './webPicture.js';

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly onProgress: ((progress: LoadProgress) => void) | undefined;
}

type WithoutId<R> = R extends unknown ? Omit<R, 'id'> : never;

/** What a worker answers, by the number of what was asked. */
class WorkerCalls {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #next = 0;
  /** Why nothing is answered any more. */
  #end: InputError | null = null;
  #isReady = false;

  constructor(worker: Worker, script: string) {
    this.#worker = worker;
    worker.addEventListener('message', ({ data }: MessageEvent<Reply>) => {
      this.#receive(data);
    });
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      this.end(
        this.#isReady
          ? 'the worker that computes has ended, perhaps for want of memory; load the network again'
          : `${script} cannot be loaded as the script of a worker; put @padnet/runtime/worker there, bundled, or name ` +
              'it by the option `worker`',
      );
    });
  }

  async ask(request: WithoutId<Request>, { signal, onProgress }: EngineOptions): Promise<unknown> {
    signal?.throwIfAborted();
    if (this.#end) throw this.#end;
    const id = this.#next++;
    const abort = (): void => {
      this.#worker.postMessage({ id, method: 'abort' });
      this.#pending.get(id)?.reject(signal?.reason);
    };
    signal?.addEventListener('abort', abort, { once: true });
    try {
      return await new Promise((resolve, reject) => {
        this.#pending.set(id, { resolve, reject, onProgress });
        this.#worker.postMessage({ id, ...request });
      });
    } finally {
      this.#pending.delete(id);
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Ends the worker, and with it all that it holds. */
  end(reason: string): void {
    this.#end ??= new InputError(reason);
    this.#worker.terminate();
    for (const { reject } of this.#pending.values()) reject(this.#end);
  }

  #receive(reply: Reply): void {
    if (reply.kind === 'ready') {
      this.#isReady = true;
      return;
    }
    const pending = this.#pending.get(reply.id);
    if (reply.kind === 'progress') pending?.onProgress?.(reply.progress);
    else if (reply.kind === 'result') pending?.resolve(reply.result);
    else pending?.reject(reply.isInput ? new InputError(reply.message) : new Error(reply.message));
  }
}

/** @param script the address of `@padnet/runtime/worker`, bundled */
export async function openWorkerEngine(
  script: string | URL,
  load: Omit<Load, 'method'>,
  options: EngineOptions,
): Promise<Engine<WebPicture>> {
  let worker: Worker;
  try {
    worker = new Worker(script, { type: 'module', name: WORKER_NAME });
  } catch (cause) {
    throw new InputError(
      `${String(script)} may not be the script of a worker of this page; serve it from the page's own address`,
      { cause },
    );
  }
  const calls = new WorkerCalls(worker, String(script));
  let facts: Facts;
  try {
    facts = (await calls.ask({ method: 'load', ...load }, options)) as Facts;
  } catch (error) {
    calls.end('the network was not loaded');
    throw error;
  }
  const ask = (call: Call, signal: AbortSignal | undefined): Promise<unknown> => calls.ask(call, { signal });
  return {
    facts,
    picture: (picture, { signal, ...options }) => ask({ method: 'picture', parameters: [picture, options] }, signal),
    pictureLogits: (pictures, { signal, ...options }) =>
      ask({ method: 'pictureLogits', parameters: [pictures, options] }, signal),
    text: (first, second, { signal, ...options }) =>
      ask({ method: 'text', parameters: [first, second, options] }, signal),
    textLogits: (texts, { signal, ...options }) => ask({ method: 'textLogits', parameters: [texts, options] }, signal),
    release: async () => {
      await ask({ method: 'release', parameters: [] }, undefined);
      calls.end(`${facts.name} was released; load it again`);
    },
  } as Engine<WebPicture>;
}
