import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

import { InputError } from '../errors.js';
import { BatchWorker } from './batchWorker.js';
import { checkInteger } from './checks.js';
import type { DataLoaderWorkerData } from './dataLoaderWorker.js';
import type { ImageDataset } from './dataset.js';
import { badPictureError, type OnBadPicture } from './badPicture.js';
import { batchImages, type BatchImages, batchLabels, type ImageBatch } from './imageBatch.js';
import { sampleOrder } from './sampleOrder.js';
import { partOfBatch, type Share } from './share.js';
import { type ImageTransform, prepareTransform, type PreparedTransform } from './transforms.js';

export interface DataLoaderOptions {
  readonly dataset: ImageDataset;
  /** Examples in a batch, at least 1. */
  readonly batchSize: number;
  /** Decides order and transforms of every epoch; an integer of at least 0. @default 0 */
  readonly seed?: number | undefined;
  /** A new order in each epoch, or the stored one. @default false */
  readonly shuffle?: boolean | undefined;
  /** Leaves out the last batch of an epoch where it would be smaller than the others. @default false */
  readonly dropLast?: boolean | undefined;
  /** @default {} pixels as numbers from 0 to 1 */
  readonly transform?: ImageTransform | undefined;
  /** Threads that prepare batches; 0 prepares each in the calling thread when it is asked for. @default 0 */
  readonly numWorkers?: number | undefined;
  /** Batches that each worker has in preparation or ready, at least 1. @default 2 */
  readonly prefetch?: number | undefined;
  /** Gives of each batch the part of one rank. @default null: whole batches */
  readonly share?: Share | null | undefined;
  /**
   * Told of each picture that cannot be decoded, which is then left out of its batch (all of a batch may be); absent:
   * it is an InputError.
   */
  readonly onBadPicture?: OnBadPicture | undefined;
}

/**
 * Gives the batches of an epoch in order. They depend on (dataset, batchSize, seed, shuffle, dropLast, transform,
 * epoch) alone: bit for bit the same with any number of workers, and from any batch on.
 *
 * Memory: at most `numWorkers × prefetch` batches besides those that the consumer holds. Threads start at the first
 * batch, serve all epochs, do not keep the process alive, and end at `close()`.
 */
export class DataLoader {
  readonly dataset: ImageDataset;
  readonly batchSize: number;
  readonly batchesPerEpoch: number;
  readonly #seed: number;
  readonly #shuffle: boolean;
  readonly #numSamples: number;
  readonly #transform: ImageTransform;
  readonly #prepared: PreparedTransform;
  readonly #prefetch: number;
  readonly #onBadPicture: OnBadPicture | null;
  readonly #share: Share | null;
  readonly #workers: (BatchWorker | undefined)[];
  #waitSeconds = 0;
  #closed = false;

  /** @throws InputError if an option is out of range, or `dropLast` leaves no batch */
  constructor(options: DataLoaderOptions) {
    const { dataset, batchSize, seed = 0, shuffle = false, dropLast = false, transform = {} } = options;
    this.dataset = dataset;
    this.batchSize = checkInteger('batchSize', batchSize, 1);
    this.#seed = checkInteger('seed', seed, 0);
    this.#shuffle = shuffle;
    this.#transform = transform;
    this.#prepared = prepareTransform(transform, dataset);
    this.#prefetch = checkInteger('prefetch', options.prefetch ?? 2, 1);
    this.#onBadPicture = options.onBadPicture ?? null;
    this.#share = options.share ?? null;
    this.#workers = new Array<undefined>(checkInteger('numWorkers', options.numWorkers ?? 0, 0, 256)).fill(undefined);
    this.batchesPerEpoch = dropLast ? Math.floor(dataset.length / batchSize) : Math.ceil(dataset.length / batchSize);
    if (this.batchesPerEpoch === 0) {
      throw new InputError(
        `batchSize must be at most ${dataset.length}, the length of ${dataset.name}, with dropLast, got ${batchSize}`,
      );
    }
    this.#numSamples = Math.min(dataset.length, this.batchesPerEpoch * batchSize);
  }

  /** Seconds that consumers have waited for batches so far; without workers, the time to prepare them. */
  get waitSeconds(): number {
    return this.#waitSeconds;
  }

  /**
   * The batches of epoch `epoch` (from 0), from batch `startBatch` on; none if that is `batchesPerEpoch`. Leaving the
   * loop early is fine. A failed batch ends the iteration with the error that its worker met; the loader stays usable.
   *
   * @throws InputError if a number is out of range, Error after `close()`
   */
  epoch(
    epoch: number,
    { startBatch = 0 }: { startBatch?: number | undefined } = {},
  ): AsyncIterableIterator<ImageBatch> {
    this.#checkOpen();
    checkInteger('startBatch', startBatch, 0, this.batchesPerEpoch);
    const order = sampleOrder({ length: this.dataset.length, seed: this.#seed, epoch, shuffle: this.#shuffle });
    return this.#workers.length === 0
      ? this.#inThisThread(epoch, order, startBatch)
      : this.#inWorkers(epoch, order, startBatch);
  }

  /** Ends the threads. Iterations under way are rejected; closing twice is fine. */
  async close(): Promise<void> {
    this.#closed = true;
    const reason = new Error('the data loader was closed');
    const started = this.#workers.filter((worker) => worker !== undefined);
    await Promise.all(started.map((worker) => worker.close(reason)));
    this.#workers.fill(undefined);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #checkOpen(): void {
    if (this.#closed) throw new Error('the data loader was closed');
  }

  #part(order: Uint32Array, index: number): ReturnType<typeof partOfBatch> {
    const start = index * this.batchSize;
    const whole = order.subarray(start, Math.min(start + this.batchSize, this.#numSamples));
    return partOfBatch(new Uint32Array(whole), this.#share);
  }

  #batch(index: number, isPart: boolean, { sampleIndices, images, bad }: BatchImages): ImageBatch {
    if (bad.length > 0 && !this.#onBadPicture) throw badPictureError(bad);
    for (const picture of bad) this.#onBadPicture?.(picture);
    const labels = batchLabels(this.dataset, sampleIndices);
    return { index, isPart, images, labels, size: sampleIndices.length, sampleIndices };
  }

  async *#inThisThread(epoch: number, order: Uint32Array, startBatch: number): AsyncGenerator<ImageBatch, undefined> {
    for (let index = startBatch; index < this.batchesPerEpoch; index++) {
      // Otherwise a loop over the batches would starve timers, signals and other I/O.
      await setImmediate();
      this.#checkOpen();
      const start = performance.now();
      const { samples, isPart } = this.#part(order, index);
      const key = { seed: this.#seed, epoch };
      const batch = this.#batch(index, isPart, await batchImages(this.dataset, samples, this.#prepared, key));
      this.#waitSeconds += (performance.now() - start) / 1000;
      yield batch;
    }
  }

  async *#inWorkers(epoch: number, order: Uint32Array, startBatch: number): AsyncGenerator<ImageBatch, undefined> {
    const ahead = this.#workers.length * this.#prefetch;
    const requests: { worker: BatchWorker; isPart: boolean; images: Promise<BatchImages> }[] = [];
    let next = startBatch;
    const requestUpTo = (end: number) => {
      for (; next < Math.min(end, this.batchesPerEpoch); next++) {
        const worker = this.#worker(next % this.#workers.length);
        const { samples, isPart } = this.#part(order, next);
        requests.push({ worker, isPart, images: worker.request(epoch, samples) });
      }
    };
    for (let index = startBatch; index < this.batchesPerEpoch; index++) {
      this.#checkOpen();
      const start = performance.now();
      requestUpTo(index + ahead);
      const { worker, isPart, images } = requests.shift()!;
      const batch = this.#batch(index, isPart, await worker.wait(images));
      // A place is free: the workers go on while the consumer is busy with this batch.
      this.#checkOpen();
      requestUpTo(index + 1 + ahead);
      this.#waitSeconds += (performance.now() - start) / 1000;
      yield batch;
    }
  }

  /** The worker in this place, started if it is not there or has died. */
  #worker(place: number): BatchWorker {
    const present = this.#workers[place];
    if (present && !present.hasFailed) return present;
    const data = { dataset: this.dataset, transform: this.#transform, seed: this.#seed } satisfies DataLoaderWorkerData;
    const program = new URL('./dataLoaderWorker.js', import.meta.url);
    // Flags of the main thread (--input-type, --inspect-brk, …) are not meant for this one.
    const thread = new Worker(program, { workerData: data, execArgv: [] });
    const worker = new BatchWorker(thread);
    this.#workers[place] = worker;
    return worker;
  }
}
