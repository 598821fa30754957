import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';

import fc from 'fast-check';
import { afterAll, describe, expect, it, vi } from 'vitest';

import { InputError } from '../errors.js';
import { DataLoader, type DataLoaderOptions } from './dataLoader.js';
import { type ImageDataset, imageDataset } from './dataset.js';
import type { ImageBatch } from './imageBatch.js';
import { sampleOrder } from './sampleOrder.js';

const dataset = imageDataset({
  name: 'toy',
  images: Uint8Array.from({ length: 50 * 2 * 4 * 5 }, (_, i) => (i * 97) % 256),
  labels: Uint8Array.from({ length: 50 }, (_, i) => i % 7),
  channels: 2,
  height: 4,
  width: 5,
  classNames: ['a', 'b', 'c', 'd', 'e', 'f', 'g'],
});

const augmented = {
  dataset,
  batchSize: 8,
  seed: 11,
  shuffle: true,
  transform: { randomCrop: { padding: 2 }, randomFlip: true, normalise: { mean: [0.5, 0.4], std: [0.2, 0.3] } },
} satisfies DataLoaderOptions;

const loaders: DataLoader[] = [];
function loader(options: DataLoaderOptions): DataLoader {
  const made = new DataLoader(options);
  loaders.push(made);
  return made;
}
afterAll(async () => {
  await Promise.all(loaders.map((made) => made.close()));
});

async function collect(batches: AsyncIterable<ImageBatch>): Promise<ImageBatch[]> {
  const all: ImageBatch[] = [];
  for await (const batch of batches) all.push(batch);
  return all;
}

describe('DataLoader', () => {
  it.each([0, 2])('visits each example once, in the order of the epoch (%d workers)', async (numWorkers) => {
    const made = loader({ dataset, batchSize: 8, seed: 3, shuffle: true, numWorkers });
    expect(made.batchesPerEpoch).toBe(7);
    const batches = await collect(made.epoch(4));
    expect(batches.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(batches.map(({ size }) => size)).toEqual([8, 8, 8, 8, 8, 8, 2]);
    const order = sampleOrder({ length: 50, seed: 3, epoch: 4, shuffle: true });
    expect(batches.flatMap(({ sampleIndices }) => [...sampleIndices])).toEqual([...order]);
    for (const { images, labels, sampleIndices, size } of batches) {
      expect(images.length).toBe(size * 40);
      sampleIndices.forEach((sample, i) => {
        expect(labels[i]).toBe(sample % 7);
        const pixels = dataset.images.subarray(40 * sample, 40 * (sample + 1));
        expect(images.subarray(40 * i, 40 * (i + 1))).toEqual(Float32Array.from(pixels, (pixel) => pixel / 255));
      });
    }
  });

  it('gives the same bits for any number of workers, any prefetch, and from any batch on', async () => {
    const references = await Promise.all([0, 1, 2].map((epoch) => collect(loader(augmented).epoch(epoch))));
    expect(references[0]![0]!.images).not.toEqual(references[1]![0]!.images);
    const others = [0, 1, 2].flatMap((numWorkers) =>
      [1, 3].map((prefetch) => loader({ ...augmented, numWorkers, prefetch })),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...others),
        fc.constantFrom(0, 1, 2),
        fc.nat(7),
        async (other, epoch, startBatch) => {
          expect(await collect(other.epoch(epoch, { startBatch }))).toEqual(references[epoch]!.slice(startBatch));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('leaves out the last, smaller batch with dropLast', async () => {
    const made = loader({ dataset, batchSize: 8, dropLast: true });
    expect(made.batchesPerEpoch).toBe(6);
    expect((await collect(made.epoch(0))).map(({ size }) => size)).toEqual([8, 8, 8, 8, 8, 8]);
    expect(loader({ dataset, batchSize: 50, dropLast: true }).batchesPerEpoch).toBe(1);
  });

  it.each([0, 2])('can be left early and used again, in two loops at once too (%d workers)', async (numWorkers) => {
    const made = loader({ ...augmented, numWorkers });
    const reference = await collect(made.epoch(0));
    for await (const batch of made.epoch(1)) if (batch.index === 2) break;
    expect(await collect(made.epoch(0))).toEqual(reference);
    const unused = made.epoch(0);
    await unused.return?.();
    expect(await Promise.all([collect(made.epoch(0)), collect(made.epoch(0))])).toEqual([reference, reference]);
  });

  it('leaves the arrays to the consumer', async () => {
    const made = loader({ ...augmented, numWorkers: 1 });
    const reference = await collect(made.epoch(0));
    const kept: ImageBatch[] = [];
    for await (const batch of made.epoch(0)) {
      kept.push({ ...batch, images: batch.images.slice() });
      batch.images.fill(NaN);
      batch.labels.fill(-1);
      batch.sampleIndices.fill(0);
    }
    expect(kept.map(({ images }) => images)).toEqual(reference.map(({ images }) => images));
    expect(await collect(made.epoch(0))).toEqual(reference);
  });

  it.each([0, 2])('rejects with the original error, and stays usable (%d workers)', async (numWorkers) => {
    const broken: ImageDataset = { ...dataset, images: dataset.images.subarray(0, 40 * 20) };
    const made = loader({ dataset: broken, batchSize: 10, numWorkers });
    for (let attempt = 0; attempt < 2; attempt++) {
      const seen: number[] = [];
      const run = async () => {
        for await (const { index } of made.epoch(0)) seen.push(index);
      };
      await expect(run()).rejects.toThrow('toy has no example 20, only 20');
      expect(seen).toEqual([0, 1]);
    }
  });

  it('ends its iterations at close, and refuses new ones', async () => {
    const made = loader({ ...augmented, numWorkers: 2 });
    const batches = made.epoch(0);
    await batches.next();
    await made.close();
    await made.close();
    await expect(batches.next()).rejects.toThrow('the data loader was closed');
    expect(() => made.epoch(1)).toThrow('the data loader was closed');
  });

  it('keeps numWorkers × prefetch batches in preparation while the consumer is busy, and no more', async () => {
    const postMessage = vi.spyOn(Worker.prototype, 'postMessage');
    try {
      const batches = loader({ ...augmented, numWorkers: 2, prefetch: 1 }).epoch(0);
      const requested: number[] = [];
      for (let i = 0; i < 7; i++) {
        await batches.next();
        requested.push(postMessage.mock.calls.length);
      }
      expect(requested).toEqual([3, 4, 5, 6, 7, 7, 7]);
    } finally {
      postMessage.mockRestore();
    }
  });

  it('counts the time that consumers wait, not the time that they work', async () => {
    const made = loader({ ...augmented, numWorkers: 1 });
    await made.epoch(0).next();
    const before = made.waitSeconds;
    expect(before).toBeGreaterThan(0);
    const start = performance.now();
    for await (const { index } of made.epoch(0)) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      if (index === 3) break;
    }
    const waited = made.waitSeconds - before;
    expect(waited).toBeLessThan((performance.now() - start) / 1000 - 0.19);
  });

  it('keeps the process alive while somebody waits for a batch, and not longer', async () => {
    const program = `
      import { DataLoader, imageDataset } from ${JSON.stringify(new URL('./index.js', import.meta.url).href)};
      const dataset = imageDataset({ name: 'x', images: new Uint8Array(40), labels: new Uint8Array(10),
        channels: 1, height: 2, width: 2, classNames: ['a'] });
      const loader = new DataLoader({ dataset, batchSize: 3, numWorkers: 2 });
      for await (const { index } of loader.epoch(0)) console.log(index);
      const leftEarly = new DataLoader({ dataset, batchSize: 3, numWorkers: 2 });
      for await (const batch of leftEarly.epoch(0)) break;`;
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
      timeout: 20_000,
    });
    expect(stderr).toBe('');
    expect(stdout).toBe('0\n1\n2\n3\n');
  });

  it.each<[Partial<DataLoaderOptions>, string]>([
    [{ batchSize: 0 }, 'batchSize must be an integer of at least 1, got 0'],
    [{ seed: -1 }, 'seed must be an integer of at least 0, got -1'],
    [{ numWorkers: 1.5 }, 'numWorkers must be an integer from 0 to 256, got 1.5'],
    [{ prefetch: 0 }, 'prefetch must be an integer of at least 1, got 0'],
    [{ batchSize: 51, dropLast: true }, 'batchSize must be at most 50, the length of toy, with dropLast, got 51'],
    [{ transform: { normalise: { mean: [0], std: [1] } } }, 'for each of the 2 channels of toy, got 1'],
  ])('refuses %o', (wrong, message) => {
    const make = () => new DataLoader({ dataset, batchSize: 8, ...wrong });
    expect(make).toThrow(InputError);
    expect(make).toThrow(message);
  });

  it('refuses epochs and batches that do not exist', () => {
    const made = loader({ dataset, batchSize: 8 });
    expect(() => made.epoch(0, { startBatch: 8 })).toThrow('startBatch must be an integer from 0 to 7, got 8');
    expect(() => made.epoch(-1)).toThrow('epoch must be an integer from 0 to 4294967295, got -1');
  });
});
