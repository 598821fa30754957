import { manualSeed, noGrad, randn, scope, type nn } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import {
  createModel,
  dynamicConvolutions,
  modelNames,
  modelSchema,
  type ModelOptions,
  type ModelShape,
} from './createModel.js';
import { createPretrained } from './createPretrained.js';
import { layerKinds } from './layerKind.js';
import type { StaticWeights } from './pictureWeights.js';

const shape: ModelShape = { inChannels: 2, numClasses: 5 };

function options(name: ModelOptions['name'], changes: Partial<ModelOptions> = {}): ModelOptions {
  return modelSchema.parse({ name, width: name === 'mobilenetV2' ? 0.25 : 4, pretrained: 'weights.pth', ...changes });
}

function weights(name: ModelOptions['name']): StaticWeights & { readonly network: nn.Layer } {
  manualSeed(1);
  const network = createModel(options(name), shape);
  return { network, state: network.stateDict(), shape };
}

function logits(network: nn.Layer): number[] {
  manualSeed(2);
  network.eval();
  return scope(() => noGrad(() => network.forward(randn([2, 2, 64, 64])).toArray()));
}

const forms = layerKinds.flatMap((layer) =>
  (layer === 'static' ? (['dyconv'] as const) : dynamicConvolutions).map(
    (convolution) => [layer, convolution] as const,
  ),
);

describe('createPretrained', () => {
  describe.each(modelNames)('%s', (name) => {
    it.each(forms)('%s, %s: has the output of the static network', (layer, convolution) => {
      const { network, ...pretrained } = weights(name);
      const wanted = logits(network);
      const largest = Math.max(...wanted.map(Math.abs));
      manualSeed(3);
      const made = createPretrained(options(name, { layer, convolution }), shape, pretrained, 'weights.pth');
      const differences = logits(made).map((value, index) => Math.abs(value - wanted[index]!));
      expect(Math.max(...differences) / largest).toBeLessThan(1e-5);
    });

    it('has a fresh classifier for other classes, and all else of the weights', () => {
      const pretrained = weights(name);
      const make = (): nn.Layer => {
        manualSeed(3);
        return createPretrained(options(name), { ...shape, numClasses: 3 }, pretrained, 'weights.pth');
      };
      const [state, again] = [make().stateDict(), make().stateDict()];
      const fresh = [...state].filter(([key, value]) => {
        const of = pretrained.state.get(key)!;
        return value.shape.join() !== of.shape.join() || !value.equal(of);
      });
      expect(fresh.map(([key, value]) => [key.split('.').at(-1), value.shape[0]])).toEqual([
        ['weight', 3],
        ['bias', 3],
      ]);
      for (const [key, value] of fresh) expect(value.equal(again.get(key)!)).toBe(true);
    });
  });

  it('names what does not fit: width, stem, network, channels', () => {
    const pretrained = weights('resnet18');
    const make =
      (changes: Partial<ModelOptions>, of: Partial<ModelShape> = {}): (() => nn.Layer) =>
      () =>
        createPretrained(options('resnet18', changes), { ...shape, ...of }, pretrained, 'weights.pth');
    expect(make({ width: 8 })).toThrow(
      /^weights\.pth: .*conv1\.weight has shape \[4, 2, 7, 7\], expected \[8, 2, 7, 7\]/,
    );
    expect(make({ stem: 'small' })).toThrow(
      /^weights\.pth: .*conv1\.weight has shape \[4, 2, 7, 7\], expected \[4, 2, 3, 3\]/,
    );
    expect(make({ name: 'resnet34' })).toThrow(/^weights\.pth: .*missing layer1\.2\.conv1\.weight/);
    expect(make({}, { inChannels: 1 })).toThrow(
      'weights.pth: the weights are for pictures of 2 channels, those of the data have 1',
    );
  });
});

describe('modelSchema', () => {
  it('starts the bank from copies where there are pretrained weights', () => {
    expect(modelSchema.parse({ name: 'resnet10' }).bankInitialisation).toBe('independent');
    expect(modelSchema.parse({ name: 'resnet10', pretrained: 'x' }).bankInitialisation).toBe('copies');
  });
});
