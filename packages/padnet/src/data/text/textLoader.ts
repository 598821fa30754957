import { setImmediate } from 'node:timers/promises';

import { InputError } from '../../errors.js';
import { checkInteger } from '../checks.js';
import { partOfBatch, type Share } from '../share.js';
import { lengthBatches } from './lengthBatches.js';
import { textBatch, type TextBatch, type TextPadding } from './textBatch.js';
import type { TokenisedDataset } from './tokenise.js';

export interface TextLoaderOptions {
  readonly dataset: TokenisedDataset;
  /** Examples in a batch, at least 1. */
  readonly batchSize: number;
  /** Decides the batches of every epoch; an integer of at least 0. @default 0 */
  readonly seed?: number | undefined;
  /** Other batches in each epoch, or the same ones. @default false */
  readonly shuffle?: boolean | undefined;
  /** Puts examples of like length together; `sampleIndices` tells which they are. @default false */
  readonly groupByLength?: boolean | undefined;
  /** @default 'longest' */
  readonly padding?: TextPadding | undefined;
  /** Gives of each batch the part of one rank. @default null: whole batches */
  readonly share?: Share | null | undefined;
}

/**
 * Gives the batches of an epoch in order. They depend on the options and the epoch alone: the same from any batch on.
 * The interface is that of `DataLoader`; threads would not pay, as padding is all that is left to do.
 */
export class TextLoader {
  readonly dataset: TokenisedDataset;
  readonly batchSize: number;
  readonly batchesPerEpoch: number;
  readonly #seed: number;
  readonly #shuffle: boolean;
  readonly #groupByLength: boolean;
  readonly #padding: TextPadding;
  readonly #share: Share | null;
  readonly #lengths: Uint32Array;
  #waitSeconds = 0;
  #closed = false;

  /** @throws InputError if an option is out of range or the dataset is empty */
  constructor(options: TextLoaderOptions) {
    const { dataset, batchSize, seed = 0, shuffle = false, groupByLength = false, padding = 'longest' } = options;
    if (dataset.length === 0) throw new InputError(`${dataset.name}: expected at least one example, found none`);
    this.dataset = dataset;
    this.batchSize = checkInteger('batchSize', batchSize, 1);
    this.batchesPerEpoch = Math.ceil(dataset.length / batchSize);
    this.#seed = checkInteger('seed', seed, 0);
    this.#shuffle = shuffle;
    this.#groupByLength = groupByLength;
    this.#padding = padding;
    this.#share = options.share ?? null;
    const { offsets, length } = dataset;
    this.#lengths = new Uint32Array(length).map((_, sample) => offsets[sample + 1]! - offsets[sample]!);
  }

  /** Seconds that preparing batches has taken so far. */
  get waitSeconds(): number {
    return this.#waitSeconds;
  }

  /**
   * The batches of epoch `epoch` (from 0), from batch `startBatch` on; none if that is `batchesPerEpoch`. Leaving the
   * loop early is fine.
   *
   * @throws InputError if a number is out of range, Error after `close()`
   */
  epoch(epoch: number, { startBatch = 0 }: { startBatch?: number | undefined } = {}): AsyncIterableIterator<TextBatch> {
    this.#checkOpen();
    checkInteger('startBatch', startBatch, 0, this.batchesPerEpoch);
    const batches = lengthBatches({
      lengths: this.#lengths,
      batchSize: this.batchSize,
      seed: this.#seed,
      epoch,
      shuffle: this.#shuffle,
      groupByLength: this.#groupByLength,
    });
    return this.#batches(batches, startBatch);
  }

  /** Iterations under way are rejected; closing twice is fine. */
  close(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #checkOpen(): void {
    if (this.#closed) throw new Error('the data loader was closed');
  }

  async *#batches(
    batches: readonly Uint32Array<ArrayBuffer>[],
    startBatch: number,
  ): AsyncGenerator<TextBatch, undefined> {
    for (let index = startBatch; index < batches.length; index++) {
      // Otherwise a loop over the batches would starve timers, signals and other I/O.
      await setImmediate();
      this.#checkOpen();
      const start = performance.now();
      const { samples, isPart } = partOfBatch(batches[index]!, this.#share);
      const batch = textBatch(this.dataset, index, samples, this.#padding, isPart);
      this.#waitSeconds += (performance.now() - start) / 1000;
      yield batch;
    }
  }
}
