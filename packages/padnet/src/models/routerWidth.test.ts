import { expect, it } from 'vitest';
import { KernelAttention, OdAttention } from '../dynamic/index.js';
import { isDynamicConvolution } from '../layers/index.js';
import { createModel, modelSchema, type ModelOptions } from './createModel.js';

/** Hidden width of each router by the layer's input channels, of a ResNet-10 of width 64 and one of width 8. */
function widths(options: Partial<ModelOptions>): Record<number, number> {
  const found: Record<number, number> = {};
  for (const width of [8, 64]) {
    const model = modelSchema.parse({ name: 'resnet10', stem: 'small', layer: 'dynamic', width, ...options });
    for (const [, module] of createModel(model, { inChannels: 1, numClasses: 2 }).namedModules()) {
      if (!isDynamicConvolution(module)) continue;
      const { router, geometry } = module;
      if (router instanceof KernelAttention) found[geometry.inChannels] = router.fc1.weight.shape[0]!;
      if (router instanceof OdAttention) found[geometry.inChannels] = router.fc.weight.shape[0]!;
    }
  }
  return found;
}

it('the hidden layer of routers is as wide as the recipe asks, and at least as published', () => {
  expect(widths({})).toEqual({ 8: 1, 16: 1, 32: 2, 64: 4, 128: 8, 256: 16, 512: 32 });
  expect(widths({ routerWidth: 8 })).toEqual({ 8: 8, 16: 8, 32: 8, 64: 8, 128: 8, 256: 16, 512: 32 });
  expect(widths({ routerWidth: 'quarter' })).toEqual({ 8: 3, 16: 5, 32: 9, 64: 17, 128: 33, 256: 65, 512: 129 });
  const odconv = { convolution: 'odconv' } as const;
  expect(widths(odconv)).toEqual({ 8: 16, 16: 16, 32: 16, 64: 16, 128: 16, 256: 16, 512: 32 });
  expect(widths({ ...odconv, routerWidth: 'quarter' })).toMatchObject({ 8: 16, 64: 17, 512: 129 });
});
