/**
 * A partial layer as the dynamic one that it is: its static entries come back into the bank, the same number in every
 * kernel.
 */
import { scope } from '@padnet/torch';
import { Bank } from '../dynamic/index.js';
import { isDynamicConvolution, type DynamicLayer } from '../layers/index.js';

/**
 * The source of a dynamic layer with the same output as the partial one: λ_d Θ_k where an entry is dynamic, λ_s Θ_s
 * where it is static. That counts λ_s Θ_s once where the coefficients sum to 1, and not otherwise.
 *
 * @param path of the layer, for errors
 * @returns null where it has no mask for good
 * @throws RangeError where entries are static and the coefficients do not sum to 1, or positions of the mixed kernel
 *   are weighed
 */
export function wholeBank(layer: DynamicLayer, path: string): Bank | null {
  const { source } = layer;
  if (source.kind !== 'partial') return null;
  if (source.dynamicRatio < 1 && !mixesToOne(layer)) {
    throw new RangeError(
      `${path} has static entries that cannot come back into its bank, as its router does more than mix kernels by ` +
        'coefficients that sum to 1; make the network static',
    );
  }
  return scope(() => {
    const { bank, scale } = source.effective(true);
    return new Bank((scale ? bank!.mul(scale) : bank!).detach()).train(source.training);
  });
}

function mixesToOne(layer: DynamicLayer): boolean {
  if (!isDynamicConvolution(layer)) return true; // the gates of a token do
  return layer.router.sumsToOne && !('hasSpatialAttention' in layer.router && layer.router.hasSpatialAttention);
}
