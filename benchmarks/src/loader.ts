/**
 * How fast batches of pictures are prepared, by number of worker threads: those of Fashion-MNIST's shape, cropped,
 * flipped and normalised; or JPEG files of 500 × 375 to random crops of 224 × 224, beside what sharp does alone with
 * the same cores and the same parts of the same files.
 */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { wholeNumber } from '../../packages/padnet/dist/cli/options.js';
import { inParallel, poolThreads } from '../../packages/padnet/dist/data/inParallel.js';
import * as data from '../../packages/padnet/dist/data/index.js';
import { pictureFile } from '../../packages/padnet/dist/data/pictureFiles.js';
import { randomRegion } from '../../packages/padnet/dist/data/pictureGeometry.js';
import { formatBytes } from '../../packages/padnet/dist/report/format.js';
import { count, measurement, option, optional } from './command.js';
import { inTurns, measure, type Sample } from './measure.js';

const side = 224;
const seed = 1;
const whole = wholeNumber(0);

export const addLoader = measurement(
  'loader',
  'Measure how fast pictures (28×28, cropped, flipped, normalised) are prepared, by number of worker threads.',
  {
    files: optional<boolean>('--files', 'JPEGs of 500×375 instead, to crops of 224×224, beside sharp alone'),
    workers: option('--workers <numbers>', 'of threads', (text) => text.split(',').map(whole), [0, 1, 2]),
    images: optional('--images <number>', 'pictures in an epoch (default: 20000, files 8000)', wholeNumber(2)),
    batch: count('--batch', 'pictures in a batch', 128),
    repeats: count('--repeats', 'epochs of each, in turns', 3),
  },
  async ({ files, workers, images = files ? 8000 : 20_000, batch, repeats }) => {
    const folder = mkdtempSync(join(tmpdir(), 'padnet-bench-'));
    const loaders: data.DataLoader[] = [];
    try {
      const bytesPerPicture = files ? await writePictures(folder, images) : null;
      const pictures = files ? (await data.loadPictureFolder(folder, { size: side })).train : null;
      const dataset = pictures ?? stored(images);
      const transform = pictures ? ofFiles : ofStored;
      const turns: Record<string, (epoch: number) => Promise<Sample>> = {};
      const residentBytes: number[] = [];
      if (pictures) turns.sharp = timed((epoch) => sharpAlone(pictures, epoch));
      for (const numWorkers of workers) {
        const loader = new data.DataLoader({ dataset, transform, batchSize: batch, seed, shuffle: true, numWorkers });
        loaders.push(loader);
        for await (const { index } of loader.epoch(0)) if (index === 1) break; // starts the threads
        turns[`${numWorkers} workers`] = timed(async (epoch) => {
          for await (const { size } of loader.epoch(epoch)) if (size === 0) throw new Error('an empty batch');
          residentBytes[epoch] = process.memoryUsage.rss();
        });
      }
      const measured = await inTurns(turns, repeats);
      const results = Object.entries(measured).map(([name, mine]) => ({
        workers: name === 'sharp' ? name : parseInt(name),
        imagesPerSecond: images / mine.cost.seconds,
        spread: mine.cost.spread,
        ...(measured.sharp && { ratioToSharp: 1 / mine.ratioTo(measured.sharp)! }),
      }));
      const [sharp, ...others] = pictures ? results : [undefined, ...results];
      return {
        settings: { images, batch, bytesPerPicture },
        found: { ...(sharp && { sharp }), results: others, residentBytes },
        rows: results,
        note: `resident memory after each round: ${residentBytes.map(formatBytes).join(', ')}`,
      };
    } finally {
      await Promise.all(loaders.map((loader) => loader.close()));
      rmSync(folder, { recursive: true });
    }
  },
);

const ofStored = { randomCrop: { padding: 4 }, randomFlip: true, normalise: { mean: [0.286], std: [0.353] } };
const ofFiles = { randomResizedCrop: data.STANDARD_CROP, randomFlip: true, normalise: data.IMAGENET_STATISTICS };

/** Pictures of Fashion-MNIST's shape. */
function stored(length: number): data.StoredImages {
  const images = Uint8Array.from({ length: length * 28 * 28 }, (_, index) => (index * 2654435761) >>> 24);
  const labels = Uint8Array.from({ length }, (_, index) => index % 10);
  const classNames = Array.from({ length: 10 }, (_, index) => String(index));
  return data.imageDataset({ name: 'bench', images, labels, channels: 1, height: 28, width: 28, classNames });
}

function timed(work: (epoch: number) => Promise<void>): (epoch: number) => Promise<Sample> {
  return async (epoch) => {
    const end = measure();
    await work(epoch);
    return end();
  };
}

/** As many at a time as keep all cores busy. */
async function sharpAlone({ files, length }: data.PictureFolder, epoch: number): Promise<void> {
  await inParallel(length, 2 * poolThreads, async (index) => {
    const picture = pictureFile(files, index);
    const region = randomRegion(picture, data.STANDARD_CROP, new data.RandomStream(seed, 'resizedCrop', epoch, index));
    const part = sharp(join(files.root, picture.path)).extract(region);
    await part.resize(side, side, { fit: 'fill', kernel: 'linear' }).raw().toBuffer();
  });
}

/**
 * Noise that takes as many bytes as photographs of this size do. Encoding is slow: but for 64, files are copies.
 *
 * @returns mean bytes
 */
async function writePictures(folder: string, count: number): Promise<number> {
  const path = (split: string, index: number): string => join(folder, split, `class${index % 2}`, `${index}.jpg`);
  for (const file of [path('train', 0), path('train', 1), path('val', 0), path('val', 1)])
    mkdirSync(dirname(file), { recursive: true });
  const distinct = Math.min(count, 64);
  const noise = { type: 'gaussian', mean: 128, sigma: 22 } as const;
  const picture = { width: 500, height: 375, channels: 3, background: 'black', noise } as const;
  let bytes = 0;
  for (let index = 0; index < distinct; index++)
    bytes += (await sharp({ create: picture }).jpeg({ quality: 80 }).toFile(path('train', index))).size;
  for (let index = distinct; index < count; index++)
    copyFileSync(path('train', index % distinct), path('train', index));
  for (const index of [0, 1]) copyFileSync(path('train', index), path('val', index));
  return bytes / distinct;
}
