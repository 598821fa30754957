import { describe, expect, it } from 'vitest';

import { InputError } from '../../errors.js';
import type { TextBatch } from './textBatch.js';
import { TextLoader, type TextLoaderOptions } from './textLoader.js';
import type { TokenisedDataset } from './tokenise.js';

/** Sentences of these ids, of type 0 but for each last token. */
function dataset(sentences: readonly (readonly number[])[], labels: readonly number[] | null): TokenisedDataset {
  const offsets = Uint32Array.of(0, ...sentences.map((_, i) => sentences.slice(0, i + 1).flat().length));
  return {
    name: 'RTE/dev',
    length: sentences.length,
    inputIds: Int32Array.from(sentences.flat()),
    tokenTypeIds: Uint8Array.from(sentences.flatMap((ids) => ids.map((_, i) => (i === ids.length - 1 ? 1 : 0)))),
    offsets,
    labels: labels && Float32Array.from(labels),
    classNames: null,
    maxLength: 4,
    padTokenId: 9,
  };
}

const three = dataset([[1, 2, 3], [4], [5, 6]], [0.5, 1, 4.75]);
const many = dataset(
  Array.from({ length: 23 }, (_, i) => Array.from({ length: 1 + ((7 * i) % 4) }, () => i)),
  null,
);

async function collect(iteration: AsyncIterable<TextBatch>): Promise<TextBatch[]> {
  const all: TextBatch[] = [];
  for await (const batch of iteration) all.push(batch);
  return all;
}

function batches(options: TextLoaderOptions, epoch = 0, startBatch = 0): Promise<TextBatch[]> {
  return collect(new TextLoader(options).epoch(epoch, { startBatch }));
}

describe('TextLoader', () => {
  it('pads to the longest of a batch', async () => {
    expect(await batches({ dataset: three, batchSize: 2 })).toEqual([
      {
        index: 0,
        isPart: false,
        size: 2,
        length: 3,
        sampleIndices: Uint32Array.of(0, 1),
        inputIds: BigInt64Array.of(1n, 2n, 3n, 4n, 9n, 9n),
        attentionMask: BigInt64Array.of(1n, 1n, 1n, 1n, 0n, 0n),
        tokenTypeIds: BigInt64Array.of(0n, 0n, 1n, 1n, 0n, 0n),
        labels: Float32Array.of(0.5, 1),
      },
      {
        index: 1,
        isPart: false,
        size: 1,
        length: 2,
        sampleIndices: Uint32Array.of(2),
        inputIds: BigInt64Array.of(5n, 6n),
        attentionMask: BigInt64Array.of(1n, 1n),
        tokenTypeIds: BigInt64Array.of(0n, 1n),
        labels: Float32Array.of(4.75),
      },
    ]);
  });

  it("pads to the dataset's length, and tells no labels where there are none", async () => {
    const [batch] = await batches({ dataset: { ...three, labels: null }, batchSize: 5, padding: 'maxLength' });
    expect(batch).toMatchObject({ size: 3, length: 4, labels: null });
    expect([...batch!.inputIds]).toEqual([1n, 2n, 3n, 9n, 4n, 9n, 9n, 9n, 5n, 6n, 9n, 9n]);
  });

  it('sorts by length for evaluation', async () => {
    const [first, second] = await batches({ dataset: three, batchSize: 2, groupByLength: true });
    expect([...first!.sampleIndices, ...second!.sampleIndices]).toEqual([1, 2, 0]);
    expect([...first!.labels!]).toEqual([1, 4.75]);
  });

  it('gives the same batches from any batch on, and others in another epoch', async () => {
    const options = { dataset: many, batchSize: 4, seed: 3, shuffle: true, groupByLength: true };
    const all = await batches(options);
    expect(all.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5]);
    for (let startBatch = 0; startBatch <= 6; startBatch++) {
      expect(await batches(options, 0, startBatch)).toEqual(all.slice(startBatch));
    }
    const samples = (of: TextBatch[]) => of.flatMap(({ sampleIndices }) => [...sampleIndices]);
    expect(samples(await batches(options, 1))).not.toEqual(samples(all));
    expect(samples(all).sort((a, b) => a - b)).toEqual([...Array(23).keys()]);
  });

  it('counts batches and the time they took', async () => {
    const loader = new TextLoader({ dataset: many, batchSize: 4 });
    expect(loader.batchesPerEpoch).toBe(6);
    expect(loader.waitSeconds).toBe(0);
    await collect(loader.epoch(0));
    expect(loader.waitSeconds).toBeGreaterThan(0);
    expect(new TextLoader({ dataset: many, batchSize: 100 }).batchesPerEpoch).toBe(1);
  });

  it('refuses an empty dataset and numbers out of range', () => {
    const empty = () => new TextLoader({ dataset: dataset([], null), batchSize: 2 });
    expect(empty).toThrow(InputError);
    expect(empty).toThrow('RTE/dev: expected at least one example, found none');
    expect(() => new TextLoader({ dataset: three, batchSize: 0 })).toThrow('batchSize must be');
    expect(() => new TextLoader({ dataset: three, batchSize: 1, seed: -1 })).toThrow('seed must be');
    const loader = new TextLoader({ dataset: three, batchSize: 2 });
    expect(() => loader.epoch(-1)).toThrow('epoch must be');
    expect(() => loader.epoch(0, { startBatch: 3 })).toThrow('startBatch must be an integer from 0 to 2, got 3');
  });

  it('ends at close', async () => {
    const loader = new TextLoader({ dataset: three, batchSize: 1 });
    const iteration = loader.epoch(0);
    await iteration.next();
    await loader.close();
    await loader.close();
    await expect(iteration.next()).rejects.toThrow('the data loader was closed');
    expect(() => loader.epoch(0)).toThrow('the data loader was closed');
  });
});
