/** How fast batches are prepared: pictures of Fashion-MNIST's shape, cropped, flipped and normalised. */
import { DataLoader, imageDataset, type StoredImages } from '../data/index.js';
import { median } from '../statistics.js';
import { spread } from './repeats.js';

export interface LoaderSpeed {
  /** Worker threads; 0: the calling thread prepares the batches. */
  readonly workers: number;
  /** Median. */
  readonly imagesPerSecond: number;
  /** Distance of the quartiles over the median. */
  readonly spread: number;
}

export interface LoaderBenchOptions {
  readonly workers: readonly number[];
  readonly images: number;
  readonly batchSize: number;
  /** Epochs measured of each number of workers, in turns. */
  readonly repeats: number;
}

export async function benchLoader({ workers, images, batchSize, repeats }: LoaderBenchOptions): Promise<LoaderSpeed[]> {
  const dataset = randomPictures(images);
  const loaders = workers.map((numWorkers) => {
    const transform = { randomCrop: { padding: 4 }, randomFlip: true, normalise: { mean: [0.286], std: [0.353] } };
    return new DataLoader({ dataset, batchSize, shuffle: true, numWorkers, transform });
  });
  const speeds = workers.map((): number[] => []);
  try {
    for (let repeat = -1; repeat < repeats; repeat++) {
      for (const [index, loader] of loaders.entries()) {
        const start = performance.now();
        for await (const batch of loader.epoch(repeat + 1)) if (batch.size === 0) throw new Error('an empty batch');
        // The first epoch starts the threads.
        if (repeat >= 0) speeds[index]!.push((images * 1000) / (performance.now() - start));
      }
    }
  } finally {
    await Promise.all(loaders.map((loader) => loader.close()));
  }
  return workers.map((count, index) => {
    const values = speeds[index]!;
    return { workers: count, imagesPerSecond: median(values), spread: spread(values) };
  });
}

function randomPictures(length: number): StoredImages {
  const images = Uint8Array.from({ length: length * 28 * 28 }, (_, index) => (index * 2654435761) >>> 24);
  const labels = Uint8Array.from({ length }, (_, index) => index % 10);
  const classNames = Array.from({ length: 10 }, (_, index) => String(index));
  return imageDataset({ name: 'bench', images, labels, channels: 1, height: 28, width: 28, classNames });
}
