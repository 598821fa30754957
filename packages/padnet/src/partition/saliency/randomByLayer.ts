/**
 * For comparison (method.md §3): random, with the same number of dynamic entries in every layer. The units of each
 * layer are put in a random order, and a unit's score falls with the number of entries before it, so that one threshold
 * for all layers leaves each as many. A layer that has fewer stays dynamic as a whole, and the others share the rest.
 * Where each layer has a threshold of its own (`local`), it is `random`.
 */
import { Generator, ops, zeros } from '@padnet/torch';
import { numLayerEntries, unitSizes } from '../selectDynamic.js';
import { random } from './random.js';
import type { Saliency } from './saliency.js';

export const randomByLayer: Saliency = {
  name: 'randomByLayer',
  score: (context) => random.score(context),
  ofUnits(layers, { seed }) {
    const generator = new Generator(seed);
    const largest = Math.max(...layers.map(numLayerEntries));
    return layers.map((layer) => {
      const { numel: units, device } = layer.scores;
      const order = ops.randperm(units, { generator });
      const sizes = unitSizes(layer).to('cpu').indexSelect(0, order).to('float64');
      const before = sizes.cumsum(0).sub(sizes);
      // Of units with as many before them, those of a layer drawn by lot stay dynamic.
      const lot = ops.rand([1], { generator, dtype: 'float64' });
      const places = before.add(lot).neg().add(largest);
      return ops.scatter(zeros([units], { dtype: 'float64' }), 0, order, places).to(device);
    });
  },
};
