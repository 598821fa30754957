import { nn, noGrad, randn, scope, zeros } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { convertToMoE, convertToPartialMoE } from '../convert/index.js';
import { Mask } from '../partial/index.js';
import { applyPartition, partialLayers } from '../partition/index.js';
import { countMacs, countStored } from './counting.js';
import { pretrainedStack } from './feedForwardStack.test.fixture.js';

const shape = { depth: 2, hiddenSize: 6, intermediateSize: 10 };
const weights = 2 * 2 * 60; // of both blocks
const biases = 2 * (10 + 6);
const classifier = 6 * 2 + 2;
/** W_g and W_n of every router, for 4 experts. */
const routers = 2 * 2 * (6 + 10) * 4;

describe('what a network with mixtures of experts stores', () => {
  it('is every expert, or those entries of them that are dynamic', () => {
    const dense = pretrainedStack(shape);
    expect(countStored(dense)).toEqual({
      parameters: weights + biases + classifier,
      maskBits: 0,
      entries: 0,
      dynamicEntries: 0,
    });
    const network = convertToMoE(dense, { numExperts: 4, k: 2 });
    expect(countStored(network)).toEqual({
      parameters: 4 * weights + 4 * biases + routers + classifier,
      maskBits: 0,
      entries: weights,
      dynamicEntries: weights,
    });
    convertToPartialMoE(network);
    const phis = 4;
    expect(countStored(network).parameters).toBe(4 * weights + 4 * biases + routers + classifier + phis);
    const bits = new Uint8Array(8).fill(0b1111, 7).fill(0b101, 0, 7); // 14 of the first 56 entries, all of the other 4
    const masks = Array.from(
      partialLayers(network),
      ([path, source]) => [path, Mask.fromBits(source.shape, bits)] as const,
    );
    applyPartition(network, { masks: new Map(masks) });
    const dynamicEntries = 4 * (14 + 4);
    expect(countStored(network)).toEqual({
      parameters: 4 * dynamicEntries + (weights - dynamicEntries) + 4 * biases + routers + classifier + 4, // 4 φ
      maskBits: weights,
      entries: weights,
      dynamicEntries,
    });
  });
});

describe('what it executes', () => {
  it('is counted over whatever pass is given, layer by layer', () => {
    const network = pretrainedStack(shape);
    const [first] = network.layers.items;
    expect(countMacs(network, [2, 5, 6])).toEqual(
      [0, 1].flatMap((layer) => [
        { path: `layers.${layer}.intermediate`, inputShape: [2, 5, 6], outputShape: [2, 5, 10], macs: 600 },
        { path: `layers.${layer}.output`, inputShape: [2, 5, 10], outputShape: [2, 5, 6], macs: 600 },
      ]),
    );
    convertToMoE(network, { numExperts: 4, k: 2 });
    const costs = countMacs(network.train(), () => network.classify(zeros([2, 5, 6])));
    expect(costs.map(({ path }) => path)).toEqual([
      'layers.0.intermediate',
      'layers.0.output',
      'layers.1.intermediate',
      'layers.1.output',
      'classifier',
    ]);
    expect(costs.at(-1)!.macs).toBe(2 * 6 * 2);
    expect(costs[0]!.macs).toBe(
      first!.intermediate instanceof nn.Linear ? 0 : first!.intermediate.countMacs([2, 5, 6]),
    );
    expect(costs[0]!.macs).toBeGreaterThanOrEqual(2 * 600);
    expect(network.training).toBe(true);
  });

  it('leaves the mode as it was where the pass throws', () => {
    const network = pretrainedStack(shape).train();
    expect(() => countMacs(network, () => scope(() => noGrad(() => network.forward(randn([2, 5, 7])))))).toThrow();
    expect(network.training).toBe(true);
  });
});
