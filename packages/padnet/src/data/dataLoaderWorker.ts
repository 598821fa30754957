/** The program of a loader's worker thread: a request names examples, the reply carries their transformed pictures. */

import { parentPort, workerData } from 'node:worker_threads';

import type { ImageDataset } from './dataset.js';
import { batchImages, type BatchImages } from './imageBatch.js';
import { type ImageTransform, prepareTransform } from './transforms.js';

/** The data that the thread is started with; the dataset's arrays are shared, not copied. */
export interface DataLoaderWorkerData {
  readonly dataset: ImageDataset;
  readonly transform: ImageTransform;
  readonly seed: number;
}

export interface BatchRequest {
  readonly id: number;
  readonly epoch: number;
  readonly sampleIndices: Uint32Array<ArrayBuffer>;
}

/** The pictures are handed over, not copied. */
export type BatchReply =
  { readonly id: number; readonly result: BatchImages } | { readonly id: number; readonly error: Error };

const { dataset, transform, seed } = workerData as DataLoaderWorkerData;
const prepared = prepareTransform(transform, dataset);

async function answer({ id, epoch, sampleIndices }: BatchRequest): Promise<void> {
  try {
    const result = await batchImages(dataset, sampleIndices, prepared, { seed, epoch });
    parentPort!.postMessage({ id, result } satisfies BatchReply, [result.images.buffer]);
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    parentPort!.postMessage({ id, error } satisfies BatchReply);
  }
}

parentPort!.on('message', (request: BatchRequest) => void answer(request));
