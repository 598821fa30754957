/**
 * A convolution and the batch norm behind it, with what a batch norm adds: a residual and its activation.
 *
 * In evaluation without a gradient a network that `fuseBatchNorms` was called for computes both in one. A dynamic or
 * partial convolution does all of it in one pass where its weights are packed: γ/σ is a part of them, and the rest is
 * done to each tile of the output while it is in cache. Its batch norm stays where another plan is faster, where
 * kernels are depth-wise or no entry is dynamic, over three dimensions, with a bias bank, with ODConv (whose filter
 * attention comes between) and with DCD.
 */
import { isGradEnabled, nn, type Tensor } from '@padnet/torch';
import { convolveWithEpilogue, factorAndShift, fusedWeights } from '../compute/fusedNorm.js';
import { VersionCache } from '../partial/index.js';
import { DynamicConv } from './dynamicConv.js';

/** norm(conv(input), residual). @param residual computed behind the convolution, as its result is needed */
export function convNorm(
  conv: nn.Layer,
  norm: nn.BatchNorm,
  input: Tensor,
  residual: (() => Tensor) | null = null,
): Tensor {
  const fused = fusedPass(conv, norm, input);
  if (!fused) return norm.forward(conv.forward(input), residual?.() ?? null);
  const added = residual?.() ?? null;
  const output = nn.computeAs(conv, [input], () => fused(added));
  return nn.computeAs(norm, [output, added], () => output);
}

/** Layers one after the other, each batch norm with the convolution before it. */
export class ConvSequential extends nn.Sequential {
  override forward(input: Tensor): Tensor {
    let output = input;
    for (const [index, layer] of this.items.entries()) {
      const next = this.items[index + 1];
      if (layer instanceof nn.BatchNorm && index > 0) continue;
      output = next instanceof nn.BatchNorm ? convNorm(layer, next, output) : layer.forward(output);
    }
    return output;
  }
}

/**
 * The tensors that a batch norm and its convolution are fused to: weight or factor, and shift. Only norms that are to
 * be fused have them.
 */
const fusedTensors = new WeakMap<nn.BatchNorm, VersionCache<[weight: Tensor, shift: Tensor]>>();

/**
 * Lets `convNorm` compute the convolutions and batch norms of a network in one, in evaluation mode and without
 * gradients. Parameters and buffers stay as they are: the network is saved and trained as before. Weights are made anew
 * where these have changed: a second copy of them.
 *
 * @returns what ends that
 */
export function fuseBatchNorms(network: nn.Module): () => void {
  const norms = Array.from(network.namedModules(), ([, module]) => module)
    .filter((module) => module instanceof nn.BatchNorm)
    .filter((norm) => !fusedTensors.has(norm));
  for (const norm of norms) fusedTensors.set(norm, new VersionCache());
  return () => {
    for (const norm of norms) {
      fusedTensors.get(norm)?.forget();
      fusedTensors.delete(norm);
    }
  };
}

/** Null where both are computed one after the other. */
function fusedPass(conv: nn.Layer, norm: nn.BatchNorm, input: Tensor): ((residual: Tensor | null) => Tensor) | null {
  const { activation, runningMean } = norm;
  const cache = fusedTensors.get(norm);
  if (!cache || runningMean === null) return null;
  if (norm.training || isGradEnabled()) {
    cache.forget();
    return null;
  }
  if (conv instanceof nn.Conv)
    return (residual) => {
      const madeOf = [...conv.stateDict().values(), ...norm.stateDict().values()];
      const [weight, shift] = cache.get(madeOf, () => fusedWeights(conv, norm));
      return convolveWithEpilogue(input, weight, { shift, residual, activation }, conv.geometry);
    };
  if (!(conv instanceof DynamicConv && conv.takesEpilogue(input))) return null;
  return (residual) => {
    const [factor, shift] = cache.get([...norm.stateDict().values()], () => factorAndShift(norm, null));
    return conv.forwardWithEpilogue(input, factor, { shift, residual, activation });
  };
}
