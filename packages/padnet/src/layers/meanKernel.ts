/**
 * The kernel of a bank at mean attentions, before mask, static part and scale factors: Σ_k ᾱ_k Θ_k, its positions
 * weighed.
 */
import type { Tensor } from '@padnet/torch';
import { mixBank } from '../dynamic/index.js';
import { isDynamicConvolution, type DynamicLayer } from './dynamicLayer.js';
import type { MeanAttention } from './meanAttention.js';

/** @param bank of `layer` [K, …shape], or one that stands in for it @returns […shape] */
export function meanKernel(layer: DynamicLayer, bank: Tensor, { coefficients, spatial }: MeanAttention): Tensor {
  const kernel = mixBank(coefficients.unsqueeze(0), bank).squeeze(0);
  if (!spatial || !isDynamicConvolution(layer)) return kernel;
  return kernel.mul(spatial.reshape([1, 1, ...layer.geometry.kernelSize]));
}
