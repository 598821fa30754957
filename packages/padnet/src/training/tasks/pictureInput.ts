/** The input of a trained network from picture files: as it was trained and is evaluated. */
import { fromTypedArray, type Tensor } from '@padnet/torch';
import {
  badPictureError,
  IMAGENET_STATISTICS,
  readPictureBatch,
  STANDARD_CROP_FRACTION,
  type ImageDataset,
  type PictureInput,
  type PictureSource,
} from '../../data/index.js';
import type { PictureDescription } from '../../runs/savedModel.js';

/** Picture files are resized to more than the network takes, and cropped; pictures in memory are taken whole. */
export function cropFractionOf(dataset: ImageDataset): number {
  return dataset.kind === 'folder' ? dataset.cropFraction : 1;
}

/**
 * The input for a picture that does not have the network's size; one that has it, and was trained on whole, is taken as
 * it is.
 */
export function pictureInput(description: PictureDescription): PictureInput {
  const { inChannels, size, normalise } = description;
  const [height, width] = size;
  // Before it was written down, ImageNet's statistics were those of picture files alone.
  const ofFiles = normalise.mean.join() === IMAGENET_STATISTICS.mean.join();
  const { cropFraction = ofFiles ? STANDARD_CROP_FRACTION : 1 } = description;
  return { shape: { channels: inChannels, height, width, cropFraction }, normalise };
}

/**
 * A batch of picture files as the network's input, `[batch, channels, height, width]`, in the caller's scope: resized
 * and cropped as in evaluation, normalised as in training, grey or RGB as the network wants.
 *
 * @param sources paths, or the bytes of files
 * @throws InputError naming all that cannot be used, in a line each
 */
export async function loadPictureBatch(
  sources: readonly PictureSource[],
  description: PictureDescription,
): Promise<Tensor> {
  const input = pictureInput(description);
  const { images, problems } = await readPictureBatch(sources, input);
  if (problems.size > 0) {
    const named = (source: PictureSource, index: number): string =>
      typeof source === 'string' ? source : `picture ${index}`;
    const bad = Array.from(problems, ([index, reason]) => ({ file: named(sources[index]!, index), reason }));
    throw badPictureError(bad, 'replace them, or leave them out');
  }
  const { channels, height, width } = input.shape;
  return fromTypedArray(images, [sources.length, channels, height, width]);
}
