import { manualSeed, randn, type nn } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { createModel, modelNames, modelSchema } from './createModel.js';
import { layerKinds } from './layerKind.js';

describe.each(modelNames)('%s', (name) => {
  it.each(layerKinds)('%s: any input channels, width and stem; every parameter gets a gradient', (layer) => {
    manualSeed(1);
    const width = name === 'mobilenetV2' ? 0.25 : 8;
    const network: nn.Layer = createModel(modelSchema.parse({ name, layer, width, stem: 'small' }), {
      inChannels: 1,
      numClasses: 7,
    });
    network.train();
    const logits = network.forward(randn([4, 1, 28, 28]));
    expect(logits.shape).toEqual([4, 7]);
    logits.square().sum().backward();
    // Until a partition is applied, nothing is static.
    const used = Array.from(network.namedParameters()).filter(([name]) => !name.endsWith('static_weight'));
    const sums = used.map(([, { grad }]) => grad!.abs().sum().item());
    expect(sums.every(Number.isFinite)).toBe(true);
    // A router of one hidden unit gives no gradient where its ReLU is off; batch norm undoes what φ scales as a whole.
    const unreached = used.filter(([name], index) => sums[index] === 0 && !/router|phi$/.test(name));
    expect(unreached.map(([name]) => name)).toEqual([]);
  });
});
