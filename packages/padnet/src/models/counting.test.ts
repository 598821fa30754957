/** Parameters and MACs of the published networks, in static, dynamic and partial form. */
import { rand } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { countMacs, countStored } from '../layers/index.js';
import { Mask } from '../partial/index.js';
import { applyPartition, partialLayers } from '../partition/index.js';
import { createModel, modelSchema, type LayerKind } from './createModel.js';

const shape = { inChannels: 3, numClasses: 1000 };
const create = (name: string, layer: LayerKind = 'static'): ReturnType<typeof createModel> =>
  createModel(modelSchema.parse({ name, layer }), shape);
const macs = (network: ReturnType<typeof createModel>): number =>
  countMacs(network, [1, 3, 224, 224]).reduce((sum, layer) => sum + layer.macs, 0);

describe('published counts', () => {
  it.each([
    ['resnet18', 11.69e6, 1.81e9],
    ['resnet50', 25.56e6, 4.09e9],
    ['mobilenetV2', 3.5e6, 0.3e9],
  ])('%s', (name, parameters, multiplications) => {
    const network = create(name);
    expect(countStored(network).parameters / parameters).toBeCloseTo(1, 2);
    expect(macs(network) / multiplications).toBeCloseTo(1, 2);
  });

  it('DY-Conv ResNet-18, K = 4: 45 million, and hardly more multiplications', () => {
    const network = create('resnet18', 'dyconv');
    const { parameters, entries, dynamicEntries } = countStored(network);
    expect(parameters / 45.3e6).toBeCloseTo(1, 1);
    expect(entries).toBe(dynamicEntries);
    expect(entries / 11.16e6).toBeCloseTo(1, 2);
    expect(macs(network) / 1.81e9).toBeLessThan(1.05);
  });

  it('PAD ResNet-18 at κ = 0.3: (1 − κ)n + Kκn and n mask bits', () => {
    const network = create('resnet18', 'pad');
    const masks = Array.from(partialLayers(network), ([path, { shape }]): [string, Mask] => [
      path,
      Mask.fromTensor(rand(shape).lt(0.3)),
    ]);
    applyPartition(network, { masks: new Map(masks) });
    const { parameters, maskBits, entries, dynamicEntries } = countStored(network);
    const others =
      create('resnet18')
        .parameters()
        .reduce((sum, { numel }) => sum + numel, 0) - entries;
    expect(maskBits).toBe(entries);
    expect(dynamicEntries / entries).toBeCloseTo(0.3, 2);
    const inUse = 4 * dynamicEntries + entries - dynamicEntries;
    expect(parameters - inUse - others).toBeGreaterThan(0); // routers and scale factors
    expect(parameters - inUse - others).toBeLessThan(0.2e6);
  });
});
