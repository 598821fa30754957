/** Datasets in memory, and loaders that turn them into batches. Knows nothing of tensors. */

export {
  channelStatistics,
  type ChannelStatistics,
  imageDataset,
  type ImageDataset,
  type ImageDatasetOptions,
  type ImageSplits,
  limit,
} from './dataset.js';
export { DataLoader, type DataLoaderOptions } from './dataLoader.js';
export { FASHION_MNIST_CLASSES, FASHION_MNIST_PATH, loadFashionMnist } from './fashionMnist.js';
export { decodeIdx, encodeIdx, type IdxArray } from './idx.js';
export { loadIdxFolder } from './idxFolder.js';
export type { ImageBatch } from './imageBatch.js';
export { type RandomPurpose, RandomStream } from './random.js';
export { sampleOrder, type SampleOrderOptions } from './sampleOrder.js';
export {
  applyTransform,
  type ImageTransform,
  prepareTransform,
  type PreparedTransform,
  type TransformKey,
} from './transforms.js';
