/** The program of a loader's worker thread: a request names examples, the reply carries their transformed pictures. */

import { parentPort, workerData } from 'node:worker_threads';

import type { ImageDataset } from './dataset.js';
import { batchImages } from './imageBatch.js';
import { type ImageTransform, prepareTransform } from './transforms.js';

/** What the thread is started with; the dataset's arrays are shared, not copied. */
export interface DataLoaderWorkerData {
  readonly dataset: ImageDataset;
  readonly transform: ImageTransform;
  readonly seed: number;
}

export interface BatchRequest {
  readonly id: number;
  readonly epoch: number;
  readonly sampleIndices: Uint32Array;
}

/** `images` is handed over, not copied. */
export type BatchReply =
  { readonly id: number; readonly images: Float32Array<ArrayBuffer> } | { readonly id: number; readonly error: Error };

const { dataset, transform, seed } = workerData as DataLoaderWorkerData;
const prepared = prepareTransform(transform, dataset);

parentPort!.on('message', ({ id, epoch, sampleIndices }: BatchRequest) => {
  try {
    const images = batchImages(dataset, sampleIndices, prepared, { seed, epoch });
    parentPort!.postMessage({ id, images } satisfies BatchReply, [images.buffer]);
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    parentPort!.postMessage({ id, error } satisfies BatchReply);
  }
});
