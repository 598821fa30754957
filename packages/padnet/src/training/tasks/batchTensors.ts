/** A batch of the data loader as tensors. */
import { fromTypedArray, type Device, type Tensor } from '@padnet/torch';
import type { ImageBatch, ImageDataset } from '../../data/index.js';

/** images [batch, channels, height, width] float32, labels [batch] int64 */
export function batchTensors(
  batch: ImageBatch,
  { channels, height, width }: ImageDataset,
  device: Device = 'cpu',
): { images: Tensor; labels: Tensor } {
  return {
    images: fromTypedArray(batch.images, [batch.size, channels, height, width], { device }),
    labels: fromTypedArray(batch.labels, [batch.size], { dtype: 'int64', device }),
  };
}
