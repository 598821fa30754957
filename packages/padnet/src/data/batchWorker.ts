import type { Worker } from 'node:worker_threads';

import type { BatchReply, BatchRequest } from './dataLoaderWorker.js';
import type { BatchImages } from './imageBatch.js';

interface Pending {
  readonly resolve: (images: BatchImages) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A worker thread and the requests that it has not yet answered. It keeps the process alive only while somebody waits
 * for one of them.
 */
export class BatchWorker {
  readonly #thread: Worker;
  readonly #pending = new Map<number, Pending>();
  #nextId = 0;
  #numWaiting = 0;
  #failure: Error | undefined;

  /** Takes over `thread`, which runs `dataLoaderWorker`. */
  constructor(thread: Worker) {
    this.#thread = thread;
    thread.on('message', (reply: BatchReply) => {
      const pending = this.#pending.get(reply.id);
      this.#pending.delete(reply.id);
      if ('error' in reply) pending?.reject(reply.error);
      else pending?.resolve(reply.result);
    });
    thread.on('error', (error: Error) => {
      this.#fail(error);
    });
    thread.on('messageerror', (error) => {
      this.#fail(error);
    });
    thread.on('exit', (code) => {
      this.#fail(new Error(`a worker of the data loader ended with exit code ${code}`));
    });
    thread.unref();
  }

  /** True once the thread has died or was closed; requests are then refused. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const pending of this.#pending.values()) pending.reject(this.#failure);
    this.#pending.clear();
  }

  /**
   * Asks for the pictures of these examples. The promise may be dropped: it never ends up as an unhandled rejection.
   */
  request(epoch: number, sampleIndices: Uint32Array<ArrayBuffer>): Promise<BatchImages> {
    const images = new Promise<BatchImages>((resolve, reject) => {
      if (this.#failure) {
        reject(this.#failure);
        return;
      }
      const id = this.#nextId++;
      this.#pending.set(id, { resolve, reject });
      this.#thread.postMessage({ id, epoch, sampleIndices } satisfies BatchRequest);
    });
    images.catch(() => undefined);
    return images;
  }

  /** Waits for a promise of `request`, keeping the process alive meanwhile. */
  async wait(images: Promise<BatchImages>): Promise<BatchImages> {
    if (this.#numWaiting++ === 0) this.#thread.ref();
    try {
      return await images;
    } finally {
      if (--this.#numWaiting === 0) this.#thread.unref();
    }
  }

  /** Ends the thread; requests without an answer are rejected with `reason`. */
  async close(reason: Error): Promise<void> {
    this.#fail(reason);
    await this.#thread.terminate();
  }
}
