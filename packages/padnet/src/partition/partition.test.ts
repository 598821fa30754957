import { encodeSafetensors, fromTypedArray, nn, noGrad, optim, randn } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { KernelAttention } from '../dynamic/index.js';
import { InputError } from '../errors.js';
import { DynamicConv2d } from '../layers/index.js';
import { Mask, PartialSource, SearchSource } from '../partial/index.js';
import { applyPartition } from './applyPartition.js';
import {
  comparePartitions,
  decodePartition,
  encodePartition,
  partialLayers,
  partitionSettings,
  searchLayers,
  type Partition,
} from './partition.js';

const settings = {
  ratio: 0.5,
  rounds: 2,
  schedule: 'linear',
  scope: 'local',
  granularity: 'entry',
  saliency: 'maskGradient',
  batches: 3,
  seed: 7,
} as const;

function partition(bytes: Record<string, number[]>, shape = [3, 1, 2, 2]): Partition {
  return {
    settings,
    rounds: [{ round: 1, keepRatio: 0.75, dynamicRatio: 0.75 }],
    masks: new Map(Object.entries(bytes).map(([path, bits]) => [path, Mask.fromBits(shape, Uint8Array.from(bits))])),
    scores: new Map(Object.keys(bytes).map((path) => [path, Float32Array.from({ length: 12 }, (_, i) => i / 66)])),
  };
}

function network(): nn.Sequential {
  const geometry = nn.conv2dGeometry({ inChannels: 1, outChannels: 3, kernelSize: 2 });
  const source = new SearchSource({ bank: randn([2, 3, 1, 2, 2]), staticWeight: randn([3, 1, 2, 2]) });
  return new nn.Sequential(
    new DynamicConv2d({ geometry, router: new KernelAttention({ inChannels: 1, numKernels: 2 }), source }),
  );
}

describe('a partition', () => {
  it('is saved as bits and comes back the same', () => {
    const original = partition({ 'layer1.0.conv1': [0b10101010, 0b0101], 'layer2.0.conv1': [255, 15] });
    const bytes = encodePartition(original);
    const loaded = decodePartition(bytes, 'p.safetensors');
    expect(loaded).toEqual(original);
    expect(Buffer.from(encodePartition(loaded)).equals(Buffer.from(bytes))).toBe(true);
  });

  it('has the sum of units where that is not signed, and else the bytes that it had before there was one', () => {
    const signed = partition({ '0': [3, 0] });
    const absolute = { ...signed, settings: { ...settings, unitSum: 'absolute' as const } };
    expect(decodePartition(encodePartition(absolute), 'p.safetensors')).toEqual(absolute);
    expect(Buffer.from(encodePartition(signed)).toString('latin1')).not.toContain('unitSum');
    expect(partitionSettings({ ...settings, unitSum: 'signed' })).toEqual(settings);
    expect(Object.keys(partitionSettings({ ...settings, unitSum: 'signed' }))).toEqual(Object.keys(settings));
  });

  it('leaves an optimizer that was made before nothing to step', () => {
    const target = network();
    const optimizer = new optim.AdamW(target.namedParameters());
    applyPartition(target, partition({ '0': [3, 0] }));
    const message = "AdamW: '0.source.bank' and 1 more are not parameters of the Sequential any more";
    expect(() => {
      optimizer.step();
    }).toThrow(message);
    expect(() => {
      optimizer.zeroGrad();
    }).toThrow(message);
    new optim.AdamW(target.namedParameters()).step();
  });

  it('is applied to a network of the same layers, and to no other', () => {
    const target = network();
    expect(() => {
      applyPartition(target, partition({ '0': [1, 0], '1': [1, 0] }));
    }).toThrow('the network has no partial layer 1');
    expect(() => {
      applyPartition(target, { masks: new Map() });
    }).toThrow('the partition has no mask for 0');
    expect(() => {
      applyPartition(target, partition({ '0': [1, 0] }, [3, 1, 4, 1]));
    }).toThrow('mask shape [3, 1, 4, 1] does not match bank entry [3, 1, 2, 2] of 0');
    expect(searchLayers(target).size).toBe(1);
    applyPartition(target, partition({ '0': [3, 0] }));
    expect(searchLayers(target).size).toBe(0);
    expect(partialLayers(target).get('0')!.mask.count).toBe(2);
  });

  it('is for good: each layer keeps the numbers in use, in its mode, and has one mask', () => {
    const target = network().eval();
    const search = searchLayers(target).get('0')!;
    const [bank, staticWeight] = [search.bank.toArray(), search.staticWeight.toArray()];
    noGrad(() => search.phi!.fill_(0.3));
    applyPartition(target, partition({ '0': [0b101, 0] }));
    const source = partialLayers(target).get('0')!;
    if (!(source instanceof PartialSource)) throw new Error('still searched');
    expect(source.bank.toArray()).toEqual([0, 2, 12, 14].map((entry) => bank[entry]));
    expect(source.staticWeight.toArray()).toEqual(staticWeight.filter((_, entry) => entry !== 0 && entry !== 2));
    expect(source.phi!.item()).toBeCloseTo(0.3, 6);
    expect(source.training).toBe(false);
    applyPartition(target, partition({ '0': [0b101, 0] }));
    expect(partialLayers(target).get('0')).toBe(source);
    expect(() => {
      applyPartition(target, partition({ '0': [0b11, 0] }));
    }).toThrow('0 has another mask, and its bank no longer has the entries that became static');
  });

  it('is applied once to a layer that two paths reach', () => {
    class Shared extends nn.Module {
      readonly first = network().items[0] as DynamicConv2d;
      readonly second = this.first;
    }
    const shared = new Shared();
    applyPartition(shared, partition({ first: [3, 0], second: [3, 0] }));
    expect(shared.second).toBe(shared.first);
    expect(shared.first.source).toBeInstanceOf(PartialSource);
  });

  it('is compared layer by layer', () => {
    const difference = comparePartitions(partition({ a: [0b1111, 0] }), partition({ a: [0b111100, 0] }));
    expect(difference).toEqual([{ path: 'a', size: 12, dynamicRatioA: 4 / 12, dynamicRatioB: 4 / 12, jaccard: 2 / 6 }]);
    expect(comparePartitions(partition({ a: [0, 0] }), partition({ a: [0, 0] }))[0]!.jaccard).toBe(1);
    expect(() => comparePartitions(partition({ a: [0, 0] }), partition({ b: [0, 0] }))).toThrow(
      'only one of the partitions has a layer',
    );
  });

  it.each([
    [
      'other tensors',
      encodeSafetensors(new Map([['a', fromTypedArray(Uint8Array.of(1))]])),
      "p: not a partition: its metadata has no 'partition'",
    ],
    [
      'broken metadata',
      encodeSafetensors(new Map(), { partition: '{' }),
      'p: not a partition: expected what a partition was made with, but it is not JSON; restore it',
    ],
    [
      'unknown settings',
      encodeSafetensors(new Map(), { partition: '{"format":"padnet-partition-1"}' }),
      'p: not a partition:',
    ],
    [
      'a mask too short',
      encodeSafetensors(new Map([['masks.a', fromTypedArray(Uint8Array.of(1))]]), {
        partition: JSON.stringify({ format: 'padnet-partition-1', settings, rounds: [], shapes: { a: [3, 3] } }),
      }),
      'p: masks.a: a mask of shape [3, 3] needs 2 bytes, got 1',
    ],
  ])('%s: one clear error', (_, bytes, message) => {
    expect(() => decodePartition(bytes, 'p')).toThrow(message);
    expect(() => decodePartition(bytes, 'p')).toThrow(InputError);
  });
});
