/** Parameters and MACs of the published networks, in static, dynamic and partial form. */
import { nn, rand } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { convertToDynamic } from '../convert/index.js';
import { DcdRouter } from '../dynamic/index.js';
import { countMacs, countStored } from '../layers/index.js';
import { Mask } from '../partial/index.js';
import { applyPartition, partialLayers } from '../partition/index.js';
import { createModel, modelNames, modelSchema } from './createModel.js';
import type { LayerKind } from './layerKind.js';
import { countForms, registeredNetworks } from './registry.js';

const shape = { inChannels: 3, numClasses: 1000 };
const create = (name: string, layer: LayerKind = 'static'): ReturnType<typeof createModel> =>
  createModel(modelSchema.parse({ name, layer }), shape);
const macs = (network: ReturnType<typeof createModel>): number =>
  countMacs(network, [1, 3, 224, 224]).reduce((sum, layer) => sum + layer.macs, 0);

it('counts a transposed convolution from its input: each element meets the whole kernel of its group', () => {
  const geometry = { inChannels: 4, outChannels: 6, kernelSize: [3, 2], stride: 2, groups: 2 } as const;
  const [cost] = countMacs(new nn.Sequential(new nn.ConvTranspose2d(geometry)), [2, 4, 5, 7]);
  expect(cost).toMatchObject({ path: '0', inputShape: [2, 4, 5, 7], outputShape: [2, 6, 11, 14] });
  expect(cost!.macs).toBe(2 * 4 * 5 * 7 * (6 / 2) * 3 * 2);
});

describe('published counts', () => {
  // num_params and GFLOPS (which are multiply-accumulates) of the weights in torchvision's documentation, such as
  // https://pytorch.org/vision/stable/models/generated/torchvision.models.resnet34.html.
  it.each([
    ['resnet18', 11_689_512, 1.814e9],
    ['resnet34', 21_797_672, 3.664e9],
    ['resnet50', 25_557_032, 4.089e9],
    ['resnet101', 44_549_160, 7.801e9],
    ['mobilenetV2', 3_504_872, 0.301e9],
  ])('%s: the parameters and multiplications of torchvision', (name, parameters, published) => {
    const network = create(name);
    expect(countStored(network).parameters).toBe(parameters);
    expect(Math.abs(macs(network) / published - 1)).toBeLessThan(1e-3);
  });

  // "MACs (M)" of the authors' checkpoints at 224², in research/slim/nets/mobilenet/README.md of tensorflow/models.
  // Their numbers of parameters are counted otherwise: 3.47 M where torchvision has 3.50 M.
  it.each([
    [0.5, 97e6],
    [0.75, 209e6],
    [1, 300e6],
  ])('MobileNetV2 at width %d: the multiplications of its authors', (width, published) => {
    const network = createModel(modelSchema.parse({ name: 'mobilenetV2', width }), shape);
    expect(macs(network) / published).toBeCloseTo(1, 2);
  });

  it('DY-Conv ResNet-18, K = 4: 45 million, and hardly more multiplications', () => {
    const network = create('resnet18', 'dynamic');
    const { parameters, entries, dynamicEntries } = countStored(network);
    expect(parameters / 45.3e6).toBeCloseTo(1, 1);
    expect(entries).toBe(dynamicEntries);
    expect(entries / 11.16e6).toBeCloseTo(1, 2);
    expect(macs(network) / 1.81e9).toBeLessThan(1.05);
  });

  it('DCD ResNet-18: 14.70 million with static shortcuts and the published classifier', () => {
    const network = create('resnet18');
    const keepStatic = Array.from(network.namedModules(), ([path]) => path).filter((path) =>
      /^conv1$|downsample\.0$/.test(path),
    );
    convertToDynamic(network, { router: (geometry) => new DcdRouter({ geometry }), keepStatic });
    // P, Q, 32 latent channels and their norms, and a router of 32 for 512 features and 1000 classes.
    const classifier = 32 * (512 + 1000 + 4) + 32 * (512 + 32 + 32 ** 2 + 1000);
    expect((countStored(network).parameters + classifier) / 14.7e6).toBeCloseTo(1, 3);
  });

  it('PAD ResNet-18 at κ = 0.3: (1 − κ)n + Kκn and n mask bits', () => {
    const network = create('resnet18', 'partial');
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

describe('countForms', () => {
  it('counts what is stored and executed in each form', () => {
    const forms = countForms({ name: 'resnet18', width: 64 });
    expect(forms.static).toEqual({ parameters: 11_689_512, maskBits: 0, macs: macs(create('resnet18')) });
    const dynamic = create('resnet18', 'dynamic');
    expect(forms.dynamic).toEqual({ parameters: countStored(dynamic).parameters, maskBits: 0, macs: macs(dynamic) });
    // Bank entries in use: 4 · 0.3 + 0.7 of each.
    const saved = forms.dynamic.parameters - forms.partial.parameters;
    expect(saved / ((4 - 1.9) * forms.partial.maskBits)).toBeCloseTo(1, 4);
  });

  it('is offered for every network', () => {
    expect(new Set(registeredNetworks.map(({ name }) => name))).toEqual(new Set(modelNames));
  });
});
