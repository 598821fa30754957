/**
 * Convolutions that a batch norm follows, as one convolution in inference:
 *
 *     γ (W ∗ x + b − μ) / √(σ² + eps) + β = (s ⊙ W) ∗ x + s (b − μ) + β,   s = γ / √(σ² + eps)
 *
 * and what the batch norm adds beyond that, a residual and its activation. A dynamic or partial convolution does all of it in one
 * pass where its weights are packed: s is a part of them, and the rest is done to each tile of the output while it is in cache. Its
 * batch norm stays where another plan is faster, where kernels are depth-wise, with ODConv (whose filter attention comes between)
 * and DCD.
 */
import { isGradEnabled, nn, type Tensor } from '@padnet/torch';
import { TensorCache } from '../partial/index.js';
import type { Epilogue } from '../nativeOperators.js';
import { DynamicConv } from './dynamicConv.js';
import { outputSize } from './outputSize.js';

/** A convolution that can be folded into. */
type Foldable = nn.Conv | DynamicConv;

/**
 * Folds every batch norm that comes right after a convolution of as many channels among a module's children, which has to be the
 * order in which the module runs them, as in all networks of `createModel`. Parameters and buffers stay as they are: the network
 * is saved and trained as before, and only in evaluation mode without gradients computes as folded, with weights made anew
 * where these have changed: a second copy of them. There the convolution gives a stand-in, NaN everywhere, and its batch norm
 * computes both, as it is the one that knows the residual.
 *
 * @returns what ends that
 */
export function foldBatchNorms(network: nn.Module): () => void {
  const undo = foldablePairs(network).map(([conv, norm]) => fold(conv, norm));
  return () => {
    for (const restore of undo.reverse()) restore();
  };
}

function foldablePairs(network: nn.Module): [Foldable, nn.BatchNorm][] {
  const pairs: [Foldable, nn.BatchNorm][] = [];
  for (const [, module] of network.namedModules()) {
    let previous: Foldable | null = null;
    for (const [, child] of module.children()) {
      if (previous && child instanceof nn.BatchNorm && isFoldable(previous, child)) pairs.push([previous, child]);
      previous = child instanceof nn.Conv || child instanceof DynamicConv ? child : null;
    }
  }
  return pairs;
}

function isFoldable({ geometry }: Foldable, { runningMean }: nn.BatchNorm): boolean {
  return runningMean?.numel === geometry.outChannels;
}

function fold(conv: Foldable, norm: nn.BatchNorm): () => void {
  const cache = new TensorCache<'folded'>();
  let waiting: { readonly standIn: Tensor; readonly input: Tensor } | null = null;
  const restore = [
    nn.replaceForward(conv, (convolve) => (input: Tensor) => {
      waiting = null;
      if (norm.training || isGradEnabled()) cache.forget('folded');
      else if (conv instanceof nn.Conv || conv.hasEpilogue(input)) {
        const shape = [input.shape[0]!, conv.geometry.outChannels, ...outputSize(conv.geometry, input.shape)];
        waiting = { input, standIn: input.newFull([], NaN).expand(shape) };
        return waiting.standIn;
      }
      return convolve(input);
    }),
    nn.replaceForward(norm, (normalise) => (given: Tensor, residual: Tensor | null = null) => {
      if (given !== waiting?.standIn) return normalise(given, residual);
      const { input } = waiting;
      waiting = null;
      const madeOf = [...(conv instanceof nn.Conv ? conv.stateDict().values() : []), ...norm.stateDict().values()];
      const [weight, shift] = cache.get('folded', madeOf, () => folded(conv, norm));
      const epilogue = { shift: shift!, residual, activation: norm.activation };
      return conv instanceof nn.Conv
        ? convolved(input, weight!, epilogue, conv.geometry)
        : conv.forwardInto(input, weight!, epilogue);
    }),
  ];
  return () => {
    for (const end of restore) end();
    cache.forget('folded');
  };
}

/** s ⊙ W of a static convolution and s of another, and the shift. */
function folded(conv: Foldable, norm: nn.BatchNorm): Tensor[] {
  const scale = norm.runningVar!.add(norm.eps).rsqrt();
  const factor = norm.weight ? scale.mul(norm.weight) : scale;
  const { weight, bias } = conv instanceof nn.Conv ? conv : { weight: null, bias: null };
  const centred = (bias ? bias.sub(norm.runningMean!) : norm.runningMean!.neg()).mul(factor);
  const shift = norm.bias ? centred.add(norm.bias) : centred;
  return [weight ? weight.mul(factor.reshape([-1, ...weight.shape.slice(1).map(() => 1)])) : factor, shift];
}

/** In place behind the convolution, whose output belongs to nobody else. */
function convolved(
  input: Tensor,
  weight: Tensor,
  { shift, residual, activation }: Epilogue,
  geometry: nn.ConvGeometry,
): Tensor {
  const output = nn.convolve(input, weight, shift, geometry);
  if (residual) output.add_(residual);
  switch (activation) {
    case 'none':
      return output;
    case 'relu':
      return output.relu_();
    case 'relu6':
      return output.hardtanh_({ minVal: 0, maxVal: 6 });
  }
}
