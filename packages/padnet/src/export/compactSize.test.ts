import { gunzipSync, gzipSync } from 'node:zlib';
import { expandWeights, readSafetensors, type WeightEntry } from '@padnet/runtime';
import { ops, scope } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { dynamicConvolutions } from '../models/index.js';
import { isMasked, Mask, sourceOf } from '../partial/index.js';
import { applyPartition, partialLayers } from '../partition/index.js';
import type { SavedModel } from '../runs/index.js';
import { compactDTypes, compactFile, readCompactFile, type CompactDType } from './compactForm.js';
import { pictureModel, textModel } from './compactNetworks.test.fixture.js';
import { compactSize } from './compactSize.js';

const bytesOf = { float32: 4, float16: 2, bfloat16: 2, int8: 1 } as const;

/** 4·((1 − κ)n + Kκn) + n/8 of each partial layer, from the network itself; of other dtypes fewer than 4. */
function formula({ network }: SavedModel, numberBytes: number): number {
  let bytes = 0;
  for (const [, module] of network.namedModules()) {
    const source = sourceOf(module);
    if (!isMasked(source)) continue;
    const { size: n, dynamicRatio: ratio } = source.mask;
    bytes += numberBytes * ((1 - ratio) * n + source.numKernels * ratio * n) + n / 8;
  }
  return bytes;
}

const isLong = process.env.PADNET_LONG_TESTS === '1';

/** With scales, one for each output channel of the static weight and of each kernel's dynamic part. */
function scaleBytes({ network }: SavedModel): number {
  let bytes = 0;
  for (const [, module] of network.namedModules()) {
    const source = sourceOf(module);
    if (isMasked(source)) bytes += 4 * (source.numKernels + 1) * source.shape[0]!;
  }
  return bytes;
}

async function expectAsFormula(model: SavedModel, dtype: CompactDType, ratio: number): Promise<void> {
  const file = compactFile(model, { dtype });
  expect(file.length).toBeGreaterThan(1e6);
  const size = await compactSize(model, file, dtype);
  expect(size.bytes).toBe(file.length);
  expect(size.dynamicEntries / size.entries).toBeCloseTo(ratio, 2);
  const expected = formula(model, bytesOf[dtype]) + size.parts.rest.bytes;
  expect(size.formulaBytes).toBeCloseTo(expected, -1);
  const scales = dtype === 'int8' ? scaleBytes(model) : 0;
  expect(Math.abs(file.length / (expected + scales) - 1)).toBeLessThan(0.01);
  expect(size.others.gzip).toBeLessThan(file.length);
}

describe('the size of a compact file', () => {
  // As wide as published where there is time for it.
  const width = isLong ? 64 : 24;
  it.each(
    compactDTypes.flatMap((dtype) => (['entry', 'filter'] as const).map((granularity) => ({ dtype, granularity }))),
  )(
    'is within 1 % of the formula: ResNet-18, κ = 0.3 by $granularity, K = 4, $dtype',
    async ({ dtype, granularity }) => {
      const model = pictureModel({ name: 'resnet18', layer: 'partial', stem: 'imagenet', width }, granularity);
      await expectAsFormula(model, dtype, 0.3);
    },
    60_000,
  );

  it.each(compactDTypes)('is within 1 % of the formula: BERT, κ = 0.5, 8 experts, %s', async (dtype) => {
    const bert = { hidden_size: 128, intermediate_size: 512, num_hidden_layers: 2, vocab_size: 1000 };
    await expectAsFormula(textModel('bert', { layer: 'partial', numExperts: 8, k: 2 }, bert), dtype, 0.5);
  });

  it('is the sum of its parts, and other forms are as large as files of them', async () => {
    const forms = [
      ...dynamicConvolutions.filter((each) => each !== 'dcd').map((convolution) => ({ convolution })),
      ...(['token', 'task'] as const).map((routing) => ({ routing })),
    ];
    for (const form of forms)
      for (const dtype of ['float16'] as const) {
        const of = (layer: 'static' | 'dynamic' | 'partial'): SavedModel =>
          'routing' in form
            ? textModel('electra', { ...form, layer })
            : pictureModel({ name: 'mobilenetV2', ...form, layer });
        const model = of('partial');
        const file = compactFile(model, { dtype });
        const { parts, descriptionBytes, others } = await compactSize(model, file, dtype);
        const sum = Object.values(parts).reduce((total, { bytes }) => total + bytes, descriptionBytes);
        expect(sum).toBe(file.length);
        expect(others.gzip).toBe(gzipSync(file).length);
        expect(gunzipSync(gzipSync(file)).length).toBe(file.length);
        for (const layer of ['static', 'dynamic'] as const) {
          const other = of(layer);
          const size = await compactSize(other, compactFile(other, { dtype }), dtype);
          expect(others[layer]).toBe(size.bytes - size.descriptionBytes + descriptionBytes);
        }
      }
  });

  it('counts what the published code writes: (K + 2)n and all else as float32', async () => {
    const model = pictureModel({ name: 'resnet18', layer: 'partial', width: 16 });
    const [whole, half] = await Promise.all(
      (['float32', 'float16'] as const).map((dtype) => compactSize(model, compactFile(model, { dtype }), dtype)),
    );
    const ofStatic = await compactSize(model, compactFile(model), 'float32');
    expect(whole!.others.published - whole!.descriptionBytes).toBe(4 * 6 * whole!.entries + whole!.parts.rest.bytes);
    expect(half!.others.published - half!.descriptionBytes).toBe(whole!.others.published - whole!.descriptionBytes);
    expect(whole!.others.published / ofStatic.others.static).toBeGreaterThan(5.5);
  });

  it('of a layer that a partition made static has its n numbers; of DCD none: its matrix is gone', async () => {
    for (const convolution of ['dyconv', 'dcd'] as const) {
      const model = pictureModel({ name: 'resnet10', convolution, layer: 'partial' }, 'nothing');
      const masks = Array.from(partialLayers(model.network), ([path, { shape }]): [string, Mask] => [
        path,
        path === 'layer2.0.conv2' ? Mask.empty(shape) : Mask.full(shape),
      ]);
      applyPartition(model.network, { masks: new Map(masks) }, [() => model.network.forward(ops.ones([2, 3, 16, 15]))]);
      const size = await compactSize(model, compactFile(model), 'float32');
      expect(size.parts.static.numbers).toBe(convolution === 'dyconv' ? 16 * 16 * 9 : 0);
      expect(size.entries - size.dynamicEntries).toBe(convolution === 'dyconv' ? 16 * 16 * 9 : 8 * 8);
      const ofParts = size.bytes - size.descriptionBytes;
      expect(Math.abs(size.formulaBytes - ofParts)).toBeLessThan(20);
    }
  });
});

it.each(compactDTypes)('what @padnet/runtime makes of a compact file of %s are its numbers', (dtype) => {
  for (const model of [
    pictureModel({ name: 'resnet10', layer: 'partial' }),
    pictureModel({ name: 'resnet10', layer: 'dynamic', convolution: 'condconv' }),
    textModel('bert', { layer: 'partial' }),
  ]) {
    const file = compactFile(model, { dtype });
    scope(() => {
      const { tensors } = readCompactFile(file, 'file');
      let offset = 0;
      const entries = Array.from(tensors)
        .filter(([, tensor]) => tensor.dtype === 'float32')
        .map(([tensor, { shape, numel }]): WeightEntry => {
          const begin = offset;
          offset += 4 * numel;
          return { kind: 'tensor', tensor, shape: [...shape], offset: begin };
        });
      const expanded = expandWeights(readSafetensors(file, 'file'), { bytes: offset, tensors: entries }, 'file');
      for (const { kind, offset: begin, ...entry } of entries) {
        if (kind !== 'tensor' || !('tensor' in entry)) throw new Error('expected tensors alone');
        const wanted = tensors.get(entry.tensor)!.toTypedArray();
        const made = expanded.subarray(begin, begin + wanted.byteLength);
        expect(Buffer.compare(made, new Uint8Array(wanted.buffer)), entry.tensor).toBe(0);
      }
    });
  }
});
