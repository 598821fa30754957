import { liveTensors, manualSeed, nn, ops, randn, scope, type Tensor } from '@padnet/torch';
import { beforeEach, describe, expect, it } from 'vitest';
import { Bank, KernelAttention } from '../dynamic/index.js';
import { DynamicConv2d } from '../layers/index.js';
import { Mask, SearchSource } from '../partial/index.js';
import { iterativeModePartition, type IterativeModePartitionOptions } from './iterativeModePartition.js';
import { applyPartition } from './applyPartition.js';
import { overallDynamicRatio, partialLayers, searchLayers } from './partition.js';
import { partitionUnits } from './partitionUnits.js';
import { grasp, magnitude, random, type Saliency } from './saliency/index.js';

function partialConv(inChannels: number, outChannels: number): DynamicConv2d {
  const geometry = nn.conv2dGeometry({ inChannels, outChannels, kernelSize: 3, padding: 1 });
  const shape = nn.convWeightShape(geometry);
  const source = new SearchSource({ bank: randn([3, ...shape]), staticWeight: randn(shape) });
  return new DynamicConv2d({
    geometry,
    router: new KernelAttention({ inChannels, numKernels: 3, temperature: 1 }),
    source,
  });
}

let network: nn.Sequential;
let images: Tensor;
let labels: Tensor;
let batchLosses: (() => Tensor)[];

beforeEach(() => {
  manualSeed(5);
  network = new nn.Sequential(partialConv(2, 4), new nn.ReLU(), partialConv(4, 5));
  images = randn([2, 6, 2, 5, 5]);
  labels = ops.randint(5, [2, 6], { dtype: 'int64' });
  batchLosses = [0, 1].map(
    (index) => () =>
      ops.crossEntropyLoss(network.forward(images.select(0, index)).mean([2, 3]), labels.select(0, index)),
  );
});

const run = (options: Partial<IterativeModePartitionOptions> = {}): ReturnType<typeof iterativeModePartition> =>
  iterativeModePartition(network, { ratio: 0.3, batchLosses, ...options });

describe('iterativeModePartition', () => {
  it('reaches κ, globally over all layers and locally in each', async () => {
    const { masks } = await run();
    expect(overallDynamicRatio(masks.values())).toBeCloseTo(0.3, 2);
    const local = await run({ scope: 'local' });
    for (const mask of local.masks.values()) expect(mask.dynamicRatio).toBeCloseTo(0.3, 1);
  });

  it('scores by |∂L/∂M|: an entry made static moves the loss as its score predicts', async () => {
    const scores = new Map<string, Float64Array>();
    await run({
      rounds: 1,
      ratio: 1,
      onRound: (round) => {
        round.scores.forEach((value, path) => scores.set(path, Float64Array.from(value.toArray())));
      },
    });
    expect([...scores.values()].flatMap((values) => [...values]).reduce((a, b) => a + b)).toBeCloseTo(1, 5);
    network.to('float64').eval();
    images = images.to('float64');
    const source = searchLayers(network).get('0')!;
    const total = (): number => scope(() => batchLosses.reduce((sum, loss) => sum + loss().item(), 0));
    const moved = (index: number): number =>
      source.withMaskVariable((mask) => {
        const base = total();
        const step = 1e-5;
        const change = scope(() => {
          const direction = mask.detach();
          direction.reshape([-1]).select(0, index).sub_(step);
          return total() - base;
        });
        return Math.abs(change / step);
      });
    const expected = scores.get('0')!;
    const [a, b] = [moved(7), moved(30)];
    expect(a / b).toBeCloseTo(expected[7]! / expected[30]!, 2);
  });

  it('is one-shot at T = 1 and scores with the masks of the round before after that', async () => {
    const oneShot = await run({ rounds: 1 });
    const several = await run({ rounds: 4 });
    expect(oneShot.rounds).toHaveLength(1);
    expect(several.rounds.map(({ keepRatio }) => Number(keepRatio.toFixed(4)))).toEqual([0.7401, 0.5477, 0.4054, 0.3]);
    expect([...several.masks.values()].every((mask, index) => mask.equals([...oneShot.masks.values()][index]!))).toBe(
      false,
    );
  });

  it('leaves the network as it was: masks, mode and weights, also where scoring throws', async () => {
    network.train();
    searchLayers(network).get('0')!.mask = Mask.fromTensor(randn([4, 2, 3, 3]).gt(0));
    const before = new Map(Array.from(network.stateDict(), ([name, value]) => [name, value.toArray()]));
    await run();
    const broken: Saliency = { name: 'broken', score: () => Promise.reject(new Error('no score')) };
    await expect(run({ saliency: broken })).rejects.toThrow('no score');
    expect(network.training).toBe(true);
    for (const [name, value] of network.stateDict()) expect(value.toArray()).toEqual(before.get(name));
    expect(network.parameters().every((parameter) => parameter.grad === null)).toBe(true);
  });

  it.each(['entry', 'kernel', 'filter'] as const)(
    'keeps whole units dynamic at granularity %s',
    async (granularity) => {
      const { masks, scores } = await run({ granularity });
      for (const { parts, unitSize } of partitionUnits(network, granularity)) {
        const { path } = parts[0]!;
        const [mask, size] = [masks.get(path)!, Number(unitSize)];
        expect(scores.get(path)).toHaveLength(mask.size / size);
        for (let unit = 0; unit < mask.size / size; unit++) {
          const flags = Array.from({ length: size }, (_, entry) => mask.has(unit * size + entry));
          expect(new Set(flags).size).toBe(1);
        }
      }
      expect(overallDynamicRatio(masks.values())).toBeGreaterThanOrEqual(0.3);
      expect(overallDynamicRatio(masks.values())).toBeLessThan(0.3 + 0.2);
    },
  );

  it('sums absolute values of a unit where asked for, and says so in its settings', async () => {
    const scores = new Map<string, Tensor>();
    const known: Saliency = { name: 'known', score: () => Promise.resolve(scores) };
    const give = (): void => {
      // In filters of even index the entries cancel.
      for (const [path, { shape }] of searchLayers(network)) {
        const [filters = 0] = shape;
        const sign = ops
          .arange(filters * 18, {})
          .remainder(2)
          .mul(2)
          .sub(1)
          .reshape([filters, 18]);
        const even = ops.arange(filters, {}).remainder(2).eq(0).unsqueeze(1);
        const half = ops.where(even, sign, ops.full([filters, 18], 0.5));
        const whole = shape[1] === 2 ? half : ops.cat([half, half], { dim: 1 });
        scores.set(path, whole.reshape(shape).keep());
      }
    };
    const dynamicFilters = async (unitSum: 'signed' | 'absolute'): Promise<string> => {
      give();
      const options = { ratio: 0.5, rounds: 1, granularity: 'filter', saliency: known, scope: 'local' } as const;
      const { masks, settings } = await run({ ...options, unitSum });
      expect(settings.unitSum).toBe(unitSum === 'signed' ? undefined : 'absolute');
      expect(Object.hasOwn(settings, 'unitSum')).toBe(unitSum === 'absolute');
      return Array.from({ length: 4 }, (_, filter) => Number(masks.get('0')!.has(filter * 18))).join('');
    };
    expect(await dynamicFilters('signed')).toBe('0101');
    expect(await dynamicFilters('absolute')).toBe('1010');
    await expect(run({ saliency: grasp, unitSum: 'absolute' })).rejects.toThrow(
      'grasp says by its sign what becomes static: expected unitSum signed, got absolute',
    );
  });

  it('chooses by scores of units that a score of one’s own makes, where they fit', async () => {
    const first: Saliency = {
      ...magnitude,
      ofUnits: (layers, { isLast }) =>
        layers.map(({ scores }) => (isLast ? ops.arange(scores.numel, {}).neg() : scores)).map((each) => each.exp2()),
    };
    const { masks } = await run({ saliency: first, scope: 'local', ratio: 0.25 });
    expect([...masks.get('0')!.toTensor().reshape([-1]).toArray()].map(Number)).toEqual(
      Array.from({ length: 72 }, (_, entry) => (entry < 18 ? 1 : 0)),
    );
    for (const ofUnits of [() => [], () => 3, (layers: readonly unknown[]) => layers.map(() => ops.ones([1]))])
      await expect(run({ saliency: { ...first, ofUnits: ofUnits as never } })).rejects.toThrow(
        'the saliency magnitude: ofUnits must return an array with a tensor of the units',
      );
  });

  it('lets an entry return in a later round', async () => {
    const seen: Map<string, Mask>[] = [];
    await run({ rounds: 8, ratio: 0.2, onRound: ({ masks }) => seen.push(new Map(masks)) });
    const returned = seen.some((masks, round) =>
      Array.from(masks).some(([path, mask]) => round > 0 && mask.overlap(seen[round - 1]!.get(path)!) < mask.count),
    );
    expect(returned).toBe(true);
  });

  it('is repeatable, random scores by their seed', async () => {
    const [a, b, c] = [
      await run({ saliency: random, seed: 1 }),
      await run({ saliency: random, seed: 1 }),
      await run({ saliency: random, seed: 2 }),
    ];
    expect(a.masks.get('0')!.equals(b.masks.get('0')!)).toBe(true);
    expect(a.masks.get('0')!.equals(c.masks.get('0')!)).toBe(false);
    expect(a.settings.saliency).toBe('random');
  });

  it('keeps the largest entries of the bank by magnitude', async () => {
    const { masks } = await run({ saliency: magnitude, rounds: 1, scope: 'local' });
    const { bank } = partialLayers(network).get('2')!;
    const sizes = bank.abs().mean([0]).toArray();
    const mask = masks.get('2')!;
    const dynamic = sizes.filter((_, index) => mask.has(index));
    const fixed = sizes.filter((_, index) => !mask.has(index));
    expect(Math.min(...dynamic)).toBeGreaterThan(Math.max(...fixed));
  });

  it('can be stopped, and leaks nothing', async () => {
    const controller = new AbortController();
    await run();
    const before = liveTensors();
    await run();
    await expect(
      run({
        rounds: 50,
        signal: controller.signal,
        onRound: () => {
          controller.abort();
        },
      }),
    ).rejects.toThrow('aborted');
    const failing = (): void => {
      throw new Error('no more');
    };
    await expect(run({ onRound: failing })).rejects.toThrow('no more');
    expect(liveTensors()).toBe(before);
  });

  it.each([
    [{ ratio: 1.5 }, 'the dynamic ratio κ must be from 0 to 1, got 1.5'],
    [{ ratio: NaN }, 'the dynamic ratio κ must be from 0 to 1, got NaN'],
    [{ rounds: 0 }, 'rounds must be a whole number of at least 1, got 0'],
  ])('refuses %o', async (options, message) => {
    await expect(run(options)).rejects.toThrow(message);
  });

  it('refuses a network without partial layers', async () => {
    const geometry = nn.conv2dGeometry({ inChannels: 2, outChannels: 4, kernelSize: 1 });
    const router = new KernelAttention({ inChannels: 2, numKernels: 3 });
    network = new nn.Sequential(new DynamicConv2d({ geometry, router, source: new Bank(randn([3, 4, 2, 1, 1])) }));
    await expect(run()).rejects.toThrow('the network has no partial layer');
  });

  it('is applied to a network', async () => {
    const partition = await run();
    applyPartition(network, partition);
    expect(partialLayers(network).get('2')!.mask.equals(partition.masks.get('2')!)).toBe(true);
    await expect(run()).rejects.toThrow('the network has no partial layer to search');
  });
});
