import type { ImageDataset } from './dataset.js';
import { applyTransform, type PreparedTransform, type TransformKey } from './transforms.js';

/** Some examples, ready for the network. The arrays are the receiver's to keep and to change. */
export interface ImageBatch {
  /** Place of the batch in its epoch, from 0. */
  readonly index: number;
  /** `[size, channels, height, width]`, transformed. */
  readonly images: Float32Array<ArrayBuffer>;
  /** `[size]`. */
  readonly labels: Int32Array<ArrayBuffer>;
  readonly size: number;
  /** Which examples of the dataset these are, `[size]`. */
  readonly sampleIndices: Uint32Array<ArrayBuffer>;
}

/** The transformed pictures of these examples, `[sampleIndices.length, channels, height, width]`, in a new array. */
export function batchImages(
  dataset: ImageDataset,
  sampleIndices: Uint32Array,
  transform: PreparedTransform,
  key: TransformKey,
): Float32Array<ArrayBuffer> {
  const size = dataset.channels * dataset.height * dataset.width;
  const images = new Float32Array(sampleIndices.length * size);
  for (let i = 0; i < sampleIndices.length; i++) {
    applyTransform(dataset, sampleIndices[i]!, transform, key, images, i * size);
  }
  return images;
}

/** The labels of these examples, in a new array. */
export function batchLabels(dataset: ImageDataset, sampleIndices: Uint32Array): Int32Array<ArrayBuffer> {
  return Int32Array.from(sampleIndices, (sample) => dataset.labels[sample]!);
}
