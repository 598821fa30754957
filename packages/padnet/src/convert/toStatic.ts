/**
 * The way back: every dynamic or partial layer of a network becomes the static one that it is at its mean attentions
 * over data, in place (`layers/staticLayer.ts`). The output stays the same where a router decides alike for every
 * input; by how much it moves elsewhere is to be measured.
 */
import { scope, type nn } from '@padnet/torch';
import {
  evenAttention,
  isDynamicConvolution,
  isDynamicLayer,
  meanAttentions,
  replaceByStatic,
  staticLayer,
  type DynamicLayer,
} from '../layers/index.js';

/**
 * An optimizer that was made before has to be made anew: it holds the parameters of layers that the network no longer
 * has.
 *
 * @param passes each runs the network forward once, on data such as it was trained on; more are more exact means
 * @throws RangeError where the network has no dynamic layer, a dynamic convolution that no pass reaches, or a mixture
 * of experts with dynamic entries: each token has its own k experts, whose mean is no layer that was trained. Then
 * nothing was changed
 */
export function toStatic<N extends nn.Module>(network: N, passes: Iterable<() => unknown>): N {
  const mixture = dynamicLayers(network).find(
    ([, layer]) => !isDynamicConvolution(layer) && layer.source.dynamicRatio > 0,
  );
  if (mixture) throw new RangeError(`${mixture[0]} is a mixture of experts, which has no static form`);
  return toMeanCoefficients(network, passes);
}

/**
 * Switches routing off: the same, and a mixture of experts becomes the linear layer of all its experts, each by its
 * mean gate. How far the score falls is how much of it is the routing's.
 *
 * @throws RangeError where the network has no dynamic layer, or one that no pass reaches. Then nothing was changed
 */
export function toMeanCoefficients<N extends nn.Module>(network: N, passes: Iterable<() => unknown>): N {
  const layers = dynamicLayers(network);
  if (layers.length === 0) throw new RangeError('the network has no dynamic layer');
  scope(() => {
    const measured = layers.map(([, layer]) => layer).filter(isMeasured);
    const means = meanAttentions(network, measured, passes);
    const unreached = layers.find(([, layer]) => isMeasured(layer) && !means.has(layer));
    if (unreached) throw new RangeError(`${unreached[0]} did not run, so it has no mean coefficients`);
    for (const [path, layer] of layers)
      scope(() => {
        replaceByStatic(network, path, layer, staticLayer(layer, means.get(layer) ?? evenAttention(layer)));
      });
  });
  return network;
}

function dynamicLayers(network: nn.Module): [path: string, layer: DynamicLayer][] {
  return Array.from(network.namedModules()).filter(
    (entry): entry is [string, DynamicLayer] => entry[0] !== '' && isDynamicLayer(entry[1]),
  );
}

/** A mixture without a dynamic entry was saved before partitions made it static; it is what a partition makes of it. */
function isMeasured(layer: DynamicLayer): boolean {
  return isDynamicConvolution(layer) || layer.source.dynamicRatio > 0;
}
