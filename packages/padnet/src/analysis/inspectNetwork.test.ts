import { nn, rand } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { convertToDynamic, convertToPartial } from '../convert/index.js';
import { CondRouter, KernelAttention } from '../dynamic/index.js';
import { countMacs, countStored, DynamicConv2d } from '../layers/index.js';
import { Mask, PartialSource } from '../partial/index.js';
import { applyPartition } from '../partition/index.js';
import { inspectText } from '../report/inspectText.js';
import { inspectNetwork, type Inspection } from './inspectNetwork.js';
import { countNetwork } from './networkCounts.js';
import { picturePass } from './samplePass.js';

/**
 * 3×3 convolution 1 → 2 with bias, norm, 1×1 partial convolution 2 → 4 of two kernels, three of eight entries dynamic.
 */
function network(): nn.Sequential {
  const source = new PartialSource({
    bank: rand([2, 4, 2, 1, 1]),
    staticWeight: rand([4, 2, 1, 1]),
    mask: Mask.fromBits([4, 2, 1, 1], Uint8Array.of(0b1011)),
  });
  return new nn.Sequential(
    new nn.Conv2d({ inChannels: 1, outChannels: 2, kernelSize: 3, stride: 2, padding: 1 }),
    new nn.BatchNorm2d({ numFeatures: 2 }),
    new DynamicConv2d({
      geometry: nn.conv2dGeometry({ inChannels: 2, outChannels: 4, kernelSize: 1 }),
      router: new KernelAttention({ inChannels: 2, numKernels: 2 }),
      source,
    }),
  );
}

function inspectPicture(model: nn.Layer, shape: readonly [number, number, number]): Inspection {
  return inspectNetwork(model, picturePass(model, shape));
}

/** Router: 2 → 1 without bias, 1 → 2 with; 3 entries of two kernels, 5 static ones, φ. */
const partialParameters = 2 + 2 + 2 + 3 * 2 + 5 + 1;

describe('inspectNetwork', () => {
  it('shows a layer that a partition left no dynamic entry as the static one that it is, with κ = 0', () => {
    const conv = (inChannels: number): nn.Conv2d =>
      new nn.Conv2d({ inChannels, outChannels: 4, kernelSize: 1, bias: false });
    const model = convertToPartial(new nn.Sequential(conv(2), conv(4), conv(4)), { numKernels: 2 });
    const shape = [4, 4, 1, 1];
    const masks = new Map([
      ['1', Mask.empty(shape)],
      ['2', Mask.fromBits(shape, Uint8Array.of(0b1111, 0))],
    ]);
    applyPartition(model, { masks });
    const pass = picturePass(model, [2, 3, 3]);
    const { rows, dynamicRatio, maskBits } = inspectNetwork(model, pass);
    expect(rows.map(({ kind }) => kind)).toEqual(['Conv2d', 'Conv2d', 'DynamicConv2d partial']);
    expect(rows.map((row) => row.dynamicRatio)).toEqual([null, 0, 0.25]);
    expect(rows[1]).toMatchObject({ parameters: 16, macs: 9 * 16, filters: null });
    expect([dynamicRatio, maskBits]).toEqual([4 / 32, 16]);
    expect(countNetwork(model, pass).layers).toEqual([
      { path: '1', entries: 16, dynamicEntries: 0, filterShares: [0, 0, 0, 0] },
      { path: '2', entries: 16, dynamicEntries: 4, filterShares: [1, 0, 0, 0] },
    ]);
  });

  it('lists layers with shapes, kernels, stored numbers and multiplications', () => {
    const inspection = inspectPicture(network(), [1, 4, 4]);
    const [conv, norm, partial] = inspection.rows;
    expect(conv).toEqual({
      path: '0',
      kind: 'Conv2d',
      inputShape: [1, 4, 4],
      outputShape: [2, 2, 2],
      kernel: '3×3 /2',
      experts: null,
      filters: null,
      dynamicRatio: null,
      router: null,
      parameters: 2 * 9 + 2,
      macs: 2 * 4 * 9,
    });
    expect(norm).toMatchObject({ kind: 'BatchNorm2d', parameters: 4, macs: 0, kernel: null });
    expect(partial).toMatchObject({
      path: '2',
      kind: 'DynamicConv2d partial',
      inputShape: [2, 2, 2],
      outputShape: [4, 2, 2],
      kernel: '1×1 /1',
      filters: '2 of 4',
      dynamicRatio: 3 / 8,
      parameters: partialParameters,
      macs: 4 + 2 * 8 + 4 * 8,
    });
    expect(inspection).toMatchObject({
      parameters: 24 + partialParameters,
      maskBits: 8,
      macs: 72 + 52,
      dynamicRatio: 3 / 8,
    });
  });

  it('has the totals that counting gives', () => {
    const model = network();
    const { rows, parameters, macs } = inspectPicture(model, [1, 4, 4]);
    expect(rows.reduce((sum, row) => sum + row.parameters, 0)).toBe(parameters);
    expect(rows.reduce((sum, row) => sum + row.macs, 0)).toBe(macs);
    expect(countNetwork(model, picturePass(model, [1, 4, 4]))).toEqual({
      stored: countStored(model),
      macs: countMacs(model, [1, 1, 4, 4]).reduce((sum, cost) => sum + cost.macs, 0),
      sample: '1 picture',
      layers: [{ path: '2', entries: 8, dynamicEntries: 3, filterShares: [1, 0.5, 0, 0] }],
    });
    expect(macs).toBe(124);
  });

  it('prints a table with totals', () => {
    expect(
      inspectText(inspectPicture(network(), [1, 4, 4]))
        .split('\n')
        .map((line) => line.replace(/ {2,}/g, ' | ')),
    ).toEqual([
      'layer | kind | input → output | kernel | dynamic filters | κ | stored | MACs',
      expect.stringMatching(/^─/),
      '0 | Conv2d | 1×4×4 → 2×2×2 | 3×3 /2 | 20 | 72',
      '2 | DynamicConv2d partial | 2×2×2 → 4×2×2 | 1×1 /1 | 2 of 4 | 37.5 % | 18 | 52',
      '(1 more) | BatchNorm2d | 4 | 0',
      'total | 37.5 % | 42 | 124',
      'and 8 bits of masks',
      'shapes and MACs are of 1 picture',
    ]);
  });

  it('marks dead routers', () => {
    const model = network();
    const text = (dead: 'inactive' | null, variation: number): string[] =>
      inspectText(
        inspectNetwork(model, picturePass(model, [1, 4, 4]), [{ path: '2', variation, dead, unusedExperts: [] }]),
      )
        .split('\n')
        .map((line) => line.replace(/ {2,}/g, ' | '));
    const [heading, , , row, ...others] = text('inactive', 0);
    expect(heading).toContain(' | κ | router | stored');
    expect(row).toContain(' | 37.5 % | dead: inactive | 18');
    expect(others.at(-1)).toBe(
      'router: how far its decisions differ between test data. 1 of 1 router is dead, so that every input gets the ' +
        'same weights: no hidden unit is ever active (2).',
    );
    const [, , , alive, ...sentences] = text(null, 0.123);
    expect(alive).toContain(' | 37.5 % | 12.3 % | 18');
    expect(sentences.at(-1)).toContain('None of 1 router is dead.');
  });

  it("names routers other than DY-Conv's", () => {
    const conv = new nn.Conv2d({ inChannels: 1, outChannels: 2, kernelSize: 3 });
    const router = ({ inChannels }: nn.ConvGeometry): CondRouter => new CondRouter({ inChannels });
    const model = convertToDynamic(new nn.Sequential(conv), { keepStatic: [], router });
    expect(inspectPicture(model, [1, 4, 4]).rows[0]).toMatchObject({
      kind: 'DynamicConv2d dynamic CondRouter',
      filters: null,
    });
  });

  it('names groups and dilation', () => {
    const conv = new nn.Conv2d({ inChannels: 4, outChannels: 4, kernelSize: [1, 3], groups: 4, dilation: 2 });
    expect(inspectPicture(conv, [4, 8, 8]).rows[0]!.kernel).toBe('1×3 /1 dilation 2 groups 4');
  });
});
