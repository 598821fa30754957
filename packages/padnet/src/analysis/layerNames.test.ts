import { describe, expect, it } from 'vitest';
import { layerLabel, modelLayerName } from './layerNames.js';
import { recipe, textRecipe } from './runs.test.fixture.js';

describe('modelLayerName', () => {
  it.each([
    ['static', 'condconv', 'static'],
    ['dynamic', 'dyconv', 'DY-Conv'],
    ['dynamic', 'condconv', 'CondConv'],
    ['partial', 'dyconv', 'PAD-Net'],
    ['partial', 'odconv', 'PAD-Net (ODConv)'],
  ] as const)('model.layer %s of %s is %s', (layer, convolution, name) => {
    expect(modelLayerName({ ...recipe(layer).model, convolution })).toBe(name);
  });

  it('knows mixtures of experts', () => {
    expect((['dynamic', 'partial'] as const).map((layer) => modelLayerName(textRecipe(layer).model))).toEqual([
      'MoE',
      'PAD-Net',
    ]);
  });
});

describe('layerLabel', () => {
  it('shortens the paths of encoders', () => {
    expect(layerLabel('encoder.layers.3.feed_forward.output')).toBe('3 output');
    expect(layerLabel('layer1.0.conv1')).toBe('layer1.0.conv1');
  });
});
