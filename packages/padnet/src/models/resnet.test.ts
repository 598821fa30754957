import { manualSeed, randn, type nn } from '@padnet/torch';
import { describe, expect, it } from 'vitest';
import { createModel, layerKinds, modelNames, modelSchema } from './createModel.js';

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
    for (const [parameter, { grad }] of network.namedParameters()) {
      // until a partition is applied, nothing is static
      if (layer === 'pad' && parameter.endsWith('static_weight')) continue;
      expect(grad?.abs().sum().item(), parameter).toSatisfy((value) => Number.isFinite(value));
    }
    const reached = Array.from(network.namedParameters()).filter(
      ([, { grad }]) => grad !== null && grad.abs().sum().item() > 0,
    );
    expect(reached.length / network.parameters().length).toBeGreaterThan(0.8);
  });
});
