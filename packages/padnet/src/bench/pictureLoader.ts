/**
 * How fast picture files become batches: JPEGs of 500 × 375 to random crops of 224 × 224, mirrored and normalised, beside what
 * sharp does alone with the same cores and the same parts of the same files.
 */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  DataLoader,
  IMAGENET_STATISTICS,
  loadPictureFolder,
  type PictureFolder,
  RandomStream,
  STANDARD_CROP,
} from '../data/index.js';
import { inParallel, poolThreads } from '../data/inParallel.js';
import { pictureFile } from '../data/pictureFiles.js';
import { randomRegion } from '../data/pictureGeometry.js';
import { median } from '../statistics.js';
import type { LoaderBenchOptions, LoaderSpeed } from './loader.js';
import { spread } from './repeats.js';

export interface PictureLoaderSpeed extends LoaderSpeed {
  /** Over sharp's speed in the same round, median. */
  readonly ratioToSharp: number;
}

export interface PictureLoaderBench {
  /** Mean size of a file. */
  readonly bytesPerPicture: number;
  readonly sharp: Omit<LoaderSpeed, 'workers'>;
  readonly results: readonly PictureLoaderSpeed[];
  /** Resident memory of the process after each round. */
  readonly residentBytes: readonly number[];
}

const side = 224;
const seed = 1;
/** Encoding is slow: the other files are copies. */
const distinctPictures = 64;

/** In each round sharp and every loader have all pictures once. */
export async function benchPictureLoader(options: LoaderBenchOptions): Promise<PictureLoaderBench> {
  const { workers, images, batchSize, repeats } = options;
  const folder = mkdtempSync(join(tmpdir(), 'padnet-bench-'));
  try {
    const bytesPerPicture = await writePictures(folder, images);
    const { train } = await loadPictureFolder(folder, { size: side });
    const transform = { randomResizedCrop: STANDARD_CROP, randomFlip: true, normalise: IMAGENET_STATISTICS };
    const loaders = workers.map(
      (numWorkers) => new DataLoader({ dataset: train, batchSize, seed, shuffle: true, numWorkers, transform }),
    );
    const alone: number[] = [];
    const speeds = workers.map((): number[] => []);
    const residentBytes: number[] = [];
    try {
      // The first batches start the threads.
      for (const loader of loaders) for await (const { index } of loader.epoch(0)) if (index === 1) break;
      for (let epoch = 0; epoch < repeats; epoch++) {
        alone.push(await picturesPerSecond(images, () => sharpAlone(train, epoch)));
        for (const [index, loader] of loaders.entries())
          speeds[index]!.push(await picturesPerSecond(images, () => wholeEpoch(loader, epoch)));
        residentBytes.push(process.memoryUsage.rss());
      }
    } finally {
      await Promise.all(loaders.map((loader) => loader.close()));
    }
    const results = workers.map((count, index) => {
      const ratios = speeds[index]!.map((speed, round) => speed / alone[round]!);
      return { workers: count, ...summary(speeds[index]!), ratioToSharp: median(ratios) };
    });
    return { bytesPerPicture, sharp: summary(alone), results, residentBytes };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function summary(speeds: readonly number[]): Omit<LoaderSpeed, 'workers'> {
  return { imagesPerSecond: median(speeds), spread: spread(speeds) };
}

async function picturesPerSecond(count: number, work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return (count * 1000) / (performance.now() - start);
}

async function wholeEpoch(loader: DataLoader, epoch: number): Promise<void> {
  for await (const batch of loader.epoch(epoch)) if (batch.size === 0) throw new Error('an empty batch');
}

/** As many at a time as keep all cores busy. */
async function sharpAlone({ files, length }: PictureFolder, epoch: number): Promise<void> {
  const { default: sharp } = await import('sharp');
  await inParallel(length, 2 * poolThreads, async (index) => {
    const picture = pictureFile(files, index);
    const region = randomRegion(picture, STANDARD_CROP, new RandomStream(seed, 'resizedCrop', epoch, index));
    const part = sharp(join(files.root, picture.path)).extract(region);
    await part.resize(side, side, { fit: 'fill', kernel: 'linear' }).raw().toBuffer();
  });
}

/** Waves with fine noise: about as hard to decode as photographs. @returns mean bytes of a file */
async function writePictures(folder: string, count: number): Promise<number> {
  const { default: sharp } = await import('sharp');
  const [width, height] = [500, 375];
  const classes = ['even', 'odd'];
  const path = (index: number, split = 'train'): string => join(folder, split, classes[index % 2]!, `${index}.jpg`);
  for (const split of ['train', 'val'])
    for (const name of classes) mkdirSync(join(folder, split, name), { recursive: true });
  let bytes = 0;
  const distinct = Math.min(count, distinctPictures);
  for (let index = 0; index < distinct; index++) {
    const random = new RandomStream(seed, 'subset', 0, index);
    const pixels = new Uint8ClampedArray(3 * width * height);
    for (let place = 0; place < pixels.length; place++) {
      const [row, column] = [Math.floor(place / (3 * width)), Math.floor(place / 3) % width];
      const wave = Math.sin((row * (1 + (index % 5))) / 40) + Math.cos((column * (1 + (index % 7))) / 50 + (place % 3));
      pixels[place] = 128 + 50 * wave + (random.nextUint32() >>> 26) - 32;
    }
    const jpeg = await sharp(pixels, { raw: { width, height, channels: 3 } })
      .jpeg({ quality: 80 })
      .toBuffer();
    writeFileSync(path(index), jpeg);
    bytes += jpeg.length;
  }
  for (let index = distinct; index < count; index++) copyFileSync(path(index % distinct), path(index));
  for (const index of [0, 1]) copyFileSync(path(index), path(index, 'val'));
  return bytes / distinct;
}
