import { InputError } from '../errors.js';
import { checkInteger } from './checks.js';
import type { DataSplit } from './dataSplit.js';
import { pictureFile, pictureFiles, type PictureFiles } from './pictureFiles.js';

/**
 * The properties that all sets of labelled pictures have. Their arrays lie in shared memory, so that worker threads
 * read them without a copy.
 */
interface LabelledPictures {
  /** Its name in messages, such as `fashion-mnist/train`. */
  readonly name: string;
  /** Class of each example, below `numClasses`. */
  readonly labels: Uint8Array<SharedArrayBuffer> | Uint16Array<SharedArrayBuffer>;
  readonly length: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly numClasses: number;
  /** Name of each class, `numClasses` of them. */
  readonly classNames: readonly string[];
}

/** Pictures in memory. Nobody writes to the arrays. A plain object: it travels to a worker as it is. */
export interface StoredImages extends LabelledPictures {
  readonly kind: 'stored';
  /** Raw pixels, `[length, channels, height, width]`. */
  readonly images: Uint8Array<SharedArrayBuffer>;
}

/** Picture files, decoded for each batch to grey (1 channel) or RGB (3) of `height × width`. A plain object too. */
export interface PictureFolder extends LabelledPictures {
  readonly kind: 'folder';
  readonly files: PictureFiles;
  /** The share of each side of a resized picture that evaluation keeps. See `centreGeometry`. */
  readonly cropFraction: number;
}

export type ImageDataset = StoredImages | PictureFolder;

/** A dataset to train on and one to test on, of the same shape and classes. */
export interface ImageSplits<Dataset extends ImageDataset = ImageDataset> {
  readonly train: Dataset;
  readonly test: Dataset;
  /** Training pictures that are held out; absent: none. */
  readonly validation?: Dataset | undefined;
  /** How the samples were divided, where the data did not say so; absent: they did. */
  readonly split?: DataSplit | undefined;
}

export interface ImageDatasetOptions {
  readonly name: string;
  /** `[labels.length, channels, height, width]`; used as it is if in shared memory, copied otherwise. */
  readonly images: Uint8Array;
  /** Used as they are if in shared memory, copied otherwise. */
  readonly labels: Uint8Array | Uint16Array;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** Their number is the number of classes. */
  readonly classNames: readonly string[];
}

/** Mean and (population) standard deviation of each channel; a pixel of 255 counts as 1. */
export interface ChannelStatistics {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

function sharedBytes(array: Uint8Array): Uint8Array<SharedArrayBuffer> {
  const { buffer, byteOffset, length } = array;
  if (buffer instanceof SharedArrayBuffer) return new Uint8Array(buffer, byteOffset, length);
  const shared = new Uint8Array(new SharedArrayBuffer(length));
  shared.set(array);
  return shared;
}

function sharedLabels(labels: Uint8Array | Uint16Array): ImageDataset['labels'] {
  if (labels instanceof Uint8Array) return sharedBytes(labels);
  const { buffer, byteOffset, length } = labels;
  if (buffer instanceof SharedArrayBuffer) return new Uint16Array(buffer, byteOffset, length);
  const shared = new Uint16Array(new SharedArrayBuffer(2 * length));
  shared.set(labels);
  return shared;
}

/**
 * A dataset of these pictures.
 *
 * @throws InputError if there is no example, if `images` does not hold one picture for each label, or if a label is not
 *   below the number of classes (the message names the example and its label)
 */
export function imageDataset(options: ImageDatasetOptions): StoredImages {
  const { name, images, labels, classNames } = options;
  const channels = checkInteger(`${name}: channels`, options.channels, 1);
  const height = checkInteger(`${name}: height`, options.height, 1);
  const width = checkInteger(`${name}: width`, options.width, 1);
  const length = labels.length;
  const numClasses = classNames.length;
  if (length === 0) throw new InputError(`${name}: expected at least one example, found none`);
  const expected = length * channels * height * width;
  if (images.length !== expected) {
    throw new InputError(
      `${name}: ${length} labels and pictures of [${channels}, ${height}, ${width}] ask for ${expected} pixels, ` +
        `found ${images.length}`,
    );
  }
  const wrong = labels.findIndex((label) => label >= numClasses);
  if (wrong !== -1) {
    throw new InputError(
      `${name}: the label of example ${wrong} is ${labels[wrong]!}, expected a number below the ${numClasses} classes`,
    );
  }
  return {
    kind: 'stored',
    name,
    images: sharedBytes(images),
    labels: sharedLabels(labels),
    length,
    channels,
    height,
    width,
    numClasses,
    classNames,
  };
}

/** The first `count` examples (all of them where there are fewer), without a copy; `count` is at least 1. */
export function limitPictures(dataset: StoredImages, count: number): StoredImages {
  checkInteger(`limit of ${dataset.name}`, count, 1);
  if (count >= dataset.length) return dataset;
  return {
    ...dataset,
    length: count,
    images: dataset.images.subarray(0, count * dataset.channels * dataset.height * dataset.width),
    labels: dataset.labels.subarray(0, count),
  };
}

/** These examples, in this order; a copy. */
export function selectPictures<Dataset extends ImageDataset>(dataset: Dataset, indices: Uint32Array): Dataset;
export function selectPictures(dataset: ImageDataset, indices: Uint32Array): ImageDataset {
  const { length } = indices;
  const labels = sharedLabels(
    dataset.labels instanceof Uint8Array
      ? Uint8Array.from(indices, (index) => dataset.labels[index]!)
      : Uint16Array.from(indices, (index) => dataset.labels[index]!),
  );
  if (dataset.kind === 'folder') {
    const files = Array.from(indices, (index) => pictureFile(dataset.files, index));
    return { ...dataset, length, labels, files: pictureFiles(dataset.files.root, files) };
  }
  const size = dataset.channels * dataset.height * dataset.width;
  const images = new Uint8Array(new SharedArrayBuffer(length * size));
  indices.forEach((index, place) => {
    images.set(dataset.images.subarray(index * size, (index + 1) * size), place * size);
  });
  return { ...dataset, length, labels, images };
}

/** The first channel in which all pixels of all pictures are the same, and what they are; null where there is none. */
export function constantChannel({
  images,
  length,
  channels,
  height,
  width,
}: StoredImages): { readonly channel: number; readonly pixel: number } | null {
  const area = height * width;
  for (let channel = 0; channel < channels; channel++) {
    const pixel = images[channel * area]!;
    const isConstant = (start: number): boolean => images.subarray(start, start + area).every((each) => each === pixel);
    let example = 0;
    while (example < length && isConstant((example * channels + channel) * area)) example++;
    if (example === length) return { channel, pixel };
  }
  return null;
}

/** Classes of which there is no example, by name. */
export function emptyClasses({ labels, classNames }: ImageDataset): readonly string[] {
  const found = new Set(labels);
  return classNames.filter((_, label) => !found.has(label));
}

/** The statistics of ImageNet's training pictures, which torchvision's networks are trained with. */
export const IMAGENET_STATISTICS: ChannelStatistics = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/**
 * Mean and standard deviation of each channel over the whole dataset, exact but for the last rounding; of a folder of
 * pictures, which is not read for that, ImageNet's.
 */
export function channelStatistics(dataset: ImageDataset): ChannelStatistics {
  if (dataset.kind === 'folder') return IMAGENET_STATISTICS;
  const { images, length, channels, height, width } = dataset;
  const area = height * width;
  const mean: number[] = [];
  const std: number[] = [];
  for (let channel = 0; channel < channels; channel++) {
    const histogram = new Float64Array(256);
    for (let example = 0; example < length; example++) {
      const start = (example * channels + channel) * area;
      for (let i = start; i < start + area; i++) histogram[images[i]!]!++;
    }
    const count = length * area;
    const channelMean = histogram.reduce((sum, times, pixel) => sum + times * pixel, 0) / count;
    const variance = histogram.reduce((sum, times, pixel) => sum + times * (pixel - channelMean) ** 2, 0) / count;
    mean.push(channelMean / 255);
    std.push(Math.sqrt(variance) / 255);
  }
  return { mean, std };
}
