/** Scores by lot, the control arms of studies: how many entries each layer keeps, and that lots decide which. */
import { manualSeed, nn, ops, randn, tensor, type Tensor } from '@padnet/torch';
import { beforeEach, describe, expect, it } from 'vitest';
import { convertToPartial } from '../../convert/index.js';
import type { Mask } from '../../partial/index.js';
import { iterativeModePartition, type IterativeModePartitionOptions } from '../iterativeModePartition.js';
import { searchLayers } from '../partition.js';
import { maskGradient, random, randomByLayer, shuffled } from './index.js';

let network: nn.Sequential;
let images: Tensor;

/** Layers of 36, 108 and 288 entries. */
beforeEach(() => {
  manualSeed(3);
  const conv = (inChannels: number, outChannels: number): nn.Conv2d =>
    new nn.Conv2d({ inChannels, outChannels, kernelSize: 3, padding: 1, bias: false });
  network = convertToPartial(
    new nn.Sequential(conv(1, 4), new nn.ReLU(), conv(4, 3), new nn.ReLU(), conv(3, 4), new nn.ReLU(), conv(4, 8)),
    { bankInitialisation: 'independent', numKernels: 3, keepStatic: ['2'] },
  );
  images = randn([6, 1, 5, 5]);
});

const batchLosses = [
  (): Tensor => ops.crossEntropyLoss(network.forward(images).mean([2, 3]), tensor([0, 1, 2, 3, 4, 5]).to('int64')),
];

async function masksBy(options: Partial<IterativeModePartitionOptions>): Promise<ReadonlyMap<string, Mask>> {
  const { masks } = await iterativeModePartition(network, { ratio: 0.3, rounds: 2, batchLosses, ...options });
  return masks;
}

const counts = (masks: ReadonlyMap<string, Mask>): number[] => Array.from(masks.values(), ({ count }) => count);
const bits = (masks: ReadonlyMap<string, Mask>): number[] =>
  Array.from(masks.values()).flatMap((mask) => [...mask.bits]);

describe('randomByLayer', () => {
  it('gives every layer as many dynamic entries, as far as it has them, and others the rest', async () => {
    expect(Array.from(searchLayers(network).values(), ({ shape }) => shape.reduce((a, b) => a * b))).toEqual([
      36, 108, 288,
    ]);
    // ⌊(1 − κ) 432⌋ entries become static.
    const found = async (ratio: number): Promise<number[]> => counts(await masksBy({ ratio, saliency: randomByLayer }));
    expect(await found(0.125)).toEqual([18, 18, 18]);
    expect(await found(0.25)).toEqual([36, 36, 36]);
    expect(await found(0.5)).toEqual([36, 90, 90]);
    expect(await found(0.75)).toEqual([36, 108, 180]);
    expect(await found(1)).toEqual([36, 108, 288]);
    const [few, ...others] = await found(0.127); // one more than 54, by lot
    expect([few, ...others].reduce((sum, count) => sum! + count!, 0)).toBe(55);
    expect([few, ...others].sort()).toEqual([18, 18, 19]);
  });

  it('is by lot, the same for the same seed', async () => {
    const [a, b, c] = [
      await masksBy({ saliency: randomByLayer, seed: 1 }),
      await masksBy({ saliency: randomByLayer, seed: 1 }),
      await masksBy({ saliency: randomByLayer, seed: 2 }),
    ];
    expect(bits(a)).toEqual(bits(b));
    expect(bits(a)).not.toEqual(bits(c));
    // Both halves of a layer get their part.
    const half = Array.from({ length: 144 }, (_, index) => a.get('6')!.has(index)).filter(Boolean).length;
    expect(half).toBeGreaterThan(10);
    expect(half).toBeLessThan(a.get('6')!.count - 10);
  });

  it('counts entries where units are of different sizes', async () => {
    const masks = await masksBy({ ratio: 0.25, saliency: randomByLayer, granularity: 'filter' });
    // Filters of 9, 27 and 36 entries; each layer gets 36, and half a unit at most beside that.
    for (const count of counts(masks)) expect(Math.abs(count - 36)).toBeLessThanOrEqual(36);
    expect(counts(masks)[0]! % 9).toBe(0);
    expect(Math.min(...counts(masks))).toBeGreaterThan(0);
  });

  it('is random in each layer where each has a threshold of its own', async () => {
    const local = await masksBy({ ratio: 0.25, saliency: randomByLayer, scope: 'local' });
    expect(counts(local)).toEqual([9, 27, 72]);
  });
});

describe('shuffled', () => {
  it.each(['entry', 'kernel', 'filter'] as const)(
    'leaves every layer as many as maskGradient does, at granularity %s',
    async (granularity) => {
      const of = await masksBy({ saliency: maskGradient, granularity });
      const lot = await masksBy({ saliency: shuffled, granularity, seed: 1 });
      expect(counts(lot)).toEqual(counts(of));
      expect(new Set(counts(of)).size).toBe(3);
      expect(bits(lot)).not.toEqual(bits(of));
      expect(bits(await masksBy({ saliency: shuffled, granularity, seed: 1 }))).toEqual(bits(lot));
      expect(bits(await masksBy({ saliency: shuffled, granularity, seed: 2 }))).not.toEqual(bits(lot));
    },
  );
});

describe('random', () => {
  it('is of units, whatever their size', async () => {
    const ratios = [0, 0, 0];
    for (let seed = 0; seed < 40; seed++) {
      const masks = await masksBy({ saliency: random, granularity: 'filter', rounds: 1, seed });
      [...masks.values()].forEach(({ dynamicRatio }, layer) => (ratios[layer]! += dynamicRatio / 40));
    }
    // 12 filters in all, of which about 0.3 stay; sums of uniform numbers would keep those of the last layer alone.
    for (const ratio of ratios) expect(ratio).toBeGreaterThan(0.15);
  });

  it('gives entries the numbers that its score has', async () => {
    const sources = searchLayers(network);
    const context = { network, sources, batchLosses: [], sampleShape: null, seed: 5 };
    const scores = [...(await random.score(context)).values()];
    const entries = scores.flatMap((layer) => layer.toArray());
    const units = random.ofUnits!(
      scores.map((layer) => ({ scores: layer.reshape([-1]), unitSize: 1 })),
      { seed: 5, isLast: true },
    );
    expect(units.flatMap((layer) => layer.toArray())).toEqual(entries);
  });
});
