import { join } from 'node:path';
import { centreGeometry, greyOfRgb } from '@padnet/runtime/shared';

import { reasonOf } from '../errors.js';
import { badPictureError, type BadPicture } from './badPicture.js';
import type { ImageDataset, PictureFolder, StoredImages } from './dataset.js';
import { decodePicture } from './decodePicture.js';
import { inParallel, poolThreads } from './inParallel.js';
import { pictureFile } from './pictureFiles.js';
import { randomRegion, regionGeometry } from './pictureGeometry.js';
import { RandomStream } from './random.js';
import { applyTransform, type PreparedTransform, type TransformKey, transformPixels } from './transforms.js';

/** Some examples, ready for the network. The arrays are the receiver's to keep and to change. */
export interface ImageBatch {
  /** Place of the batch in its epoch, from 0. */
  readonly index: number;
  /** Whether other ranks have other parts of the batch; else each that there are has all of it. */
  readonly isPart: boolean;
  /** `[size, channels, height, width]`, transformed. */
  readonly images: Float32Array<ArrayBuffer>;
  /** `[size]`. */
  readonly labels: Int32Array<ArrayBuffer>;
  /** Examples in it; fewer than asked for where pictures cannot be decoded. */
  readonly size: number;
  /** Which examples of the dataset these are, `[size]`. */
  readonly sampleIndices: Uint32Array<ArrayBuffer>;
}

export interface BatchImages {
  /** `[sampleIndices.length, channels, height, width]`, in a new array. */
  readonly images: Float32Array<ArrayBuffer>;
  /** Those that were asked for, but the bad ones. */
  readonly sampleIndices: Uint32Array<ArrayBuffer>;
  readonly bad: readonly BadPicture[];
}

/** The transformed pictures of these examples. */
export async function batchImages(
  dataset: ImageDataset,
  sampleIndices: Uint32Array<ArrayBuffer>,
  transform: PreparedTransform,
  key: TransformKey,
): Promise<BatchImages> {
  return dataset.kind === 'stored'
    ? storedImages(dataset, sampleIndices, transform, key)
    : await decodedImages(dataset, sampleIndices, transform, key);
}

/** The same where each of them is needed. @throws InputError naming those that cannot be decoded */
export async function allImages(...parameters: Parameters<typeof batchImages>): Promise<Float32Array<ArrayBuffer>> {
  const { images, bad } = await batchImages(...parameters);
  if (bad.length > 0) throw badPictureError(bad);
  return images;
}

function pictureSize({ channels, height, width }: ImageDataset): number {
  return channels * height * width;
}

function storedImages(
  dataset: StoredImages,
  sampleIndices: Uint32Array<ArrayBuffer>,
  transform: PreparedTransform,
  key: TransformKey,
): BatchImages {
  const size = pictureSize(dataset);
  const images = new Float32Array(sampleIndices.length * size);
  sampleIndices.forEach((sample, place) => {
    applyTransform(dataset, sample, transform, key, images, place * size);
  });
  return { images, sampleIndices, bad: [] };
}

async function decodedImages(
  dataset: PictureFolder,
  sampleIndices: Uint32Array<ArrayBuffer>,
  transform: PreparedTransform,
  key: TransformKey,
): Promise<BatchImages> {
  const { files, channels, height, cropFraction } = dataset;
  const size = pictureSize(dataset);
  const images = new Float32Array(sampleIndices.length * size);
  const failures = new Map<number, BadPicture>(); // by place
  await inParallel(sampleIndices.length, poolThreads, async (place) => {
    const sample = sampleIndices[place]!;
    const picture = pictureFile(files, sample);
    const file = join(files.root, picture.path);
    const { resizedCrop } = transform;
    const geometry = resizedCrop
      ? regionGeometry(
          picture,
          randomRegion(picture, resizedCrop, new RandomStream(key.seed, 'resizedCrop', key.epoch, sample)),
          height,
        )
      : centreGeometry(picture, dataset, cropFraction);
    let data: Uint8Array;
    try {
      const rgb = await decodePicture(file, picture.hasAlpha, geometry);
      data = channels === 1 ? greyOfRgb(rgb) : rgb;
    } catch (error) {
      failures.set(place, { file, reason: reasonOf(error) });
      return;
    }
    const source = { data, start: 0, channelStep: 1, pixelStep: channels };
    transformPixels(source, dataset, sample, transform, key, images, place * size);
  });
  if (failures.size === 0) return { images, sampleIndices, bad: [] };
  const places = Array.from(sampleIndices.keys());
  const kept = places.filter((place) => !failures.has(place));
  const rest = new Float32Array(kept.length * size);
  kept.forEach((place, to) => {
    rest.set(images.subarray(place * size, (place + 1) * size), to * size);
  });
  return {
    images: rest,
    sampleIndices: Uint32Array.from(kept, (place) => sampleIndices[place]!),
    bad: places.flatMap((place) => failures.get(place) ?? []),
  };
}

/** The labels of these examples, in a new array. */
export function batchLabels(dataset: ImageDataset, sampleIndices: Uint32Array): Int32Array<ArrayBuffer> {
  return Int32Array.from(sampleIndices, (sample) => dataset.labels[sample]!);
}
