import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSafetensors, nn, noGrad, randn, saveSafetensors, scope, zeros, type Tensor } from '@padnet/torch';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InputError } from '../errors.js';
import { countStored, isDynamicLayer } from '../layers/index.js';
import { modelSchema, type DynamicConvolution } from '../models/index.js';
import { Mask } from '../partial/index.js';
import { applyPartition, partialLayers, searchLayers } from '../partition/index.js';
import { smallNetwork, type Kind } from './pictures.test.fixture.js';
import { loadModel, savePictureModel, type PictureDescription, type PictureModel } from './savedModel.js';

let folder: string;
let file: string;
let weights: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'padnet-model-'));
  file = join(folder, 'model.json');
  weights = join(folder, 'model.safetensors');
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const description = (layer: Kind, convolution: DynamicConvolution = 'dyconv'): PictureDescription => ({
  modality: 'image',
  model: modelSchema.parse({ name: 'resnet10', layer, convolution, stem: 'small', width: 4, numKernels: 2 }),
  inChannels: 1,
  numClasses: 4,
  size: [8, 8],
  classNames: ['a', 'b', 'c', 'd'],
  normalise: { mean: [1 / 3], std: [0.1] },
});

/** With statistics of batch norm, scale factors and masks that are not what a fresh network has. */
function lived(layer: Kind, convolution: DynamicConvolution = 'dyconv'): nn.Layer {
  const network = smallNetwork(layer, { convolution });
  scope(() => {
    network.forward(randn([8, 1, 8, 8]));
    const masks = Array.from(partialLayers(network), ([path, { shape }]): [string, Mask] => [
      path,
      Mask.fromTensor(randn(shape).gt(path.length % 3 === 0 ? 1 : 0)),
    ]);
    applyPartition(network, { masks: new Map(masks) }, [() => network.forward(randn([8, 1, 8, 8]))]);
    noGrad(() => {
      for (const { phi } of partialLayers(network).values()) phi!.fill_(0.3);
    });
  });
  return network.eval();
}

it.each<[Kind, DynamicConvolution]>([
  ['static', 'dyconv'],
  ['dynamic', 'dyconv'],
  ['partial', 'dyconv'],
  ['dynamic', 'dcd'],
  ['partial', 'dcd'],
])('keeps a %s network of %s: the same logits to the bit', (layer, convolution) => {
  const network = lived(layer, convolution);
  savePictureModel(file, network, description(layer, convolution));
  const loaded = loadModel(file) as PictureModel;
  expect(loaded.description).toEqual(description(layer, convolution));
  expect(loaded.network.training).toBe(false);
  const [kept, got] = scope(() => {
    const images = randn([3, 1, 8, 8]);
    return noGrad(() => [network.forward(images).toArray(), loaded.network.forward(images).toArray()]);
  });
  expect(got).toEqual(kept);
});

it('reads the description of an older version, and says the kind of its layers by its name of today', () => {
  savePictureModel(file, lived('partial'), description('partial'));
  writeFileSync(file, readFileSync(file, 'utf8').replace('"layer": "partial"', '"layer": "pad"'));
  expect(loadModel(file).description.model.layer).toBe('partial');
});

it('stores of a partial network only what is in use', () => {
  const network = lived('partial');
  savePictureModel(file, network, description('partial'));
  scope(() => {
    const { tensors } = loadSafetensors(weights);
    for (const [path, source] of partialLayers(network)) {
      const size = source.mask.size;
      expect(tensors.get(`${path}.source.bank`)!.shape).toEqual([2, source.mask.count]);
      expect(tensors.get(`${path}.source.static_weight`)!.shape).toEqual([size - source.mask.count]);
      expect(tensors.get(`${path}.source.mask_bits`)!.numel).toBe(Math.ceil(size / 8));
    }
  });
  const partial = statSync(weights).size;
  savePictureModel(file, lived('dynamic'), description('dynamic'));
  expect(partial).toBeLessThan(0.9 * statSync(weights).size);
});

it('keeps a network whose masks were never searched as one with every entry dynamic', () => {
  const network = smallNetwork('partial').eval();
  savePictureModel(file, network, description('partial'));
  const loaded = loadModel(file) as PictureModel;
  scope(() => {
    const { tensors } = loadSafetensors(weights);
    for (const [path, source] of partialLayers(loaded.network)) {
      expect(source.mask.dynamicRatio).toBe(1);
      expect(tensors.get(`${path}.source.static_weight`)!.shape).toEqual([0]);
    }
    const images = randn([3, 1, 8, 8]);
    const logits = (model: nn.Layer): number[] => noGrad(() => model.forward(images).toArray());
    expect(logits(loaded.network)).toEqual(logits(network));
  });
});

describe('a layer without a dynamic entry', () => {
  const [first, second] = ['layer1.0.conv1', 'layer4.0.downsample.0'];
  /** Masks of a small partial network: empty at these two layers, full or empty at all others. */
  const masks = (network: nn.Layer, others: 'full' | 'empty'): Map<string, Mask> =>
    new Map(
      Array.from(partialLayers(network), ([path, { shape }]) => [
        path,
        path === first || path === second ? Mask.empty(shape) : Mask[others](shape),
      ]),
    );
  const logits = (network: nn.Layer, images: Tensor): number[] => noGrad(() => network.forward(images).toArray());
  const namesOf = (path: string): string[] =>
    scope(() => [...loadSafetensors(weights).tensors.keys()].filter((name) => name.startsWith(`${path}.`)));

  it('is saved as a weight, and comes back as a static layer', () => {
    const network = smallNetwork('partial').eval();
    applyPartition(network, { masks: masks(network, 'full') });
    savePictureModel(file, network, description('partial'));
    expect(namesOf(first)).toEqual([`${first}.weight`]);
    const loaded = loadModel(file) as PictureModel;
    expect(loaded.description).toEqual(description('partial'));
    expect(loaded.network.getModule(second)).toBeInstanceOf(nn.Conv2d);
    const images = randn([3, 1, 8, 8]);
    expect(logits(loaded.network, images)).toEqual(logits(network, images));
    expect(countStored(loaded.network)).toEqual(countStored(network));
  });

  it.each<DynamicConvolution>(['dyconv', 'condconv', 'odconv', 'dcd'])(
    'of %s everywhere makes a network that is described and read as a static one',
    (convolution) => {
      const network = smallNetwork('partial', { convolution });
      network.forward(randn([8, 1, 8, 8]));
      const images = randn([3, 1, 8, 8]);
      network.eval();
      applyPartition(network, { masks: masks(network, 'empty') }, [() => network.forward(images)]);
      savePictureModel(file, network, description('partial', convolution));
      const loaded = loadModel(file) as PictureModel;
      expect(loaded.description).toEqual({
        ...description('static'),
        model: modelSchema.parse({ name: 'resnet10', stem: 'small', width: 4 }),
      });
      expect([...loaded.network.stateDict().keys()]).toEqual([...smallNetwork().stateDict().keys()]);
      expect(logits(loaded.network, images)).toEqual(logits(network, images));
    },
  );

  it('has a router in models that were saved before, and none once they are read', () => {
    const network = smallNetwork('partial').eval();
    const found = masks(network, 'full');
    for (const [path, mask] of found)
      network.replaceModule(`${path}.source`, searchLayers(network).get(path)!.toPartial(mask));
    noGrad(() => {
      for (const { phi } of partialLayers(network).values()) phi!.fill_(0.3);
    });
    savePictureModel(file, network, description('partial'));
    expect(namesOf(first)).toContain(`${first}.router.fc1.weight`);
    const loaded = loadModel(file) as PictureModel;
    expect(loaded.network.getModule(first)).toBeInstanceOf(nn.Conv2d);
    const images = randn([3, 1, 8, 8]);
    const before = logits(network, images);
    for (const [index, value] of logits(loaded.network, images).entries()) expect(value).toBeCloseTo(before[index]!, 5);
  });

  it('stays as it was trained in such models where its attentions decide by the input still', () => {
    const network = smallNetwork('partial', { convolution: 'odconv' }).eval();
    for (const [path, mask] of masks(network, 'empty'))
      network.replaceModule(`${path}.source`, searchLayers(network).get(path)!.toPartial(mask));
    savePictureModel(file, network, description('partial', 'odconv'));
    const loaded = loadModel(file) as PictureModel;
    expect(loaded.description.model.layer).toBe('partial');
    expect(isDynamicLayer(loaded.network.getModule(first))).toBe(true);
    const images = randn([3, 1, 8, 8]);
    expect(logits(loaded.network, images)).toEqual(logits(network, images));
  });
});

describe('what is damaged or missing is told in one line', () => {
  function failure(): string {
    try {
      loadModel(file);
    } catch (error) {
      expect((error as Error).message).not.toContain('\n');
      return (error as Error).message;
    }
    return '';
  }

  beforeEach(() => {
    savePictureModel(file, lived('static'), description('static'));
  });

  it('a missing file', () => {
    rmSync(weights);
    expect(failure()).toBe(`${weights}: expected the weights of a network, but there is no such file`);
    rmSync(file);
    expect(failure()).toBe(`${file}: expected the description of a network, but there is no such file`);
    expect(() => loadModel(file)).toThrow(InputError);
  });

  it('a description that is cut off, or of something else', () => {
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.slice(0, 50));
    expect(failure()).toMatch(
      /model\.json:3: expected the description of a network, but it is not JSON; restore it from a copy, or /,
    );
    writeFileSync(file, text.replace('padnet-model-1', 'padnet-model-2').replace('"numClasses": 4', '"numClasses": 0'));
    expect(failure()).toMatch(
      /model\.json: format: expected padnet-model-1, got "padnet-model-2"; numClasses: expected .* at least 1, got 0; /,
    );
    writeFileSync(file, text.replace('"resnet10"', '"resnet11"'));
    expect(failure()).toMatch(/model\.json: model\.name: expected one of resnet10, /);
    for (const [other, expected] of [
      ['null', 'expected the description of a network, got nothing'],
      ['{}', 'modality: missing; expected image or text or program'],
      ['{"modality": "sound"}', 'modality: expected image or text or program, got "sound"'],
    ] as const) {
      writeFileSync(file, other);
      expect(failure()).toBe(`${file}: ${expected}; restore it from a copy, or train again`);
    }
  });

  it('weights that are cut off', () => {
    const bytes = readFileSync(weights);
    writeFileSync(weights, bytes.subarray(0, bytes.length - 4));
    expect(failure()).toContain(weights);
    writeFileSync(weights, bytes.subarray(0, 3));
    expect(failure()).toContain(weights);
  });

  it('weights of another network', () => {
    scope(() => {
      const { tensors } = loadSafetensors(weights);
      tensors.set('fc.bias', zeros([5]));
      tensors.delete('conv1.weight');
      saveSafetensors(weights, tensors);
    });
    const message = failure();
    expect(message).toContain(weights);
    expect(message).toContain('missing conv1.weight [4, 1, 3, 3]');
    expect(message).toContain('fc.bias has shape [5], expected [4]');
  });
});
