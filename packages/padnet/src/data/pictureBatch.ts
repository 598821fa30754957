/** Picture files → a batch, as a network takes them in evaluation. */
import { centreGeometry, greyOfRgb } from '@padnet/runtime/shared';
import { InputError, reasonOf } from '../errors.js';
import { decodePicture, inspectPicture, type PictureSource } from './decodePicture.js';
import { inParallel, poolThreads } from './inParallel.js';
import type { PictureShape } from './pictureFolder.js';
import { type ImageTransform, prepareTransform, transformPixels } from './transforms.js';

/** The form in which a network takes pictures. */
export interface PictureInput {
  readonly shape: PictureShape;
  /** The normalisation that it was trained with, by channel. */
  readonly normalise: NonNullable<ImageTransform['normalise']>;
}

/** The two together are all sources that were asked for. */
export interface PictureBatch {
  /** `[indices.length, channels, height, width]`. */
  readonly images: Float32Array<ArrayBuffer>;
  /** Which of the sources these are of, ascending. */
  readonly indices: readonly number[];
  /** Why the others cannot be used, in words, by index. */
  readonly problems: ReadonlyMap<number, string>;
}

/**
 * Decodes pictures as evaluation does: resized, the centre cropped, grey or RGB as the network wants, normalised.
 *
 * @param sources paths, or the bytes of files
 * @throws InputError where the network takes neither grey pictures nor RGB
 */
export async function readPictureBatch(
  sources: readonly PictureSource[],
  { shape, normalise }: PictureInput,
): Promise<PictureBatch> {
  const { channels, height, width, cropFraction } = shape;
  if (channels !== 1 && channels !== 3)
    throw new InputError(`the network takes pictures of ${channels} channels; picture files have 1 (grey) or 3 (RGB)`);
  const transform = prepareTransform({ normalise }, { kind: 'folder', name: 'picture files', channels });
  const size = channels * height * width;
  const decoded = new Array<Uint8Array | null>(sources.length).fill(null);
  const problems = new Map<number, string>();
  await inParallel(sources.length, poolThreads, async (index) => {
    const source = sources[index]!;
    try {
      const { hasAlpha, ...picture } = await inspectPicture(source);
      const rgb = await decodePicture(source, hasAlpha, centreGeometry(picture, shape, cropFraction));
      decoded[index] = channels === 1 ? greyOfRgb(rgb) : rgb;
    } catch (error) {
      problems.set(index, reasonOf(error));
    }
  });
  const indices = [...decoded.keys()].filter((index) => decoded[index] !== null);
  const images = new Float32Array(indices.length * size);
  indices.forEach((index, place) => {
    const source = { data: decoded[index]!, start: 0, channelStep: 1, pixelStep: channels };
    transformPixels(source, shape, index, transform, { seed: 0, epoch: 0 }, images, place * size);
  });
  return { images, indices, problems };
}
