/**
 * Convolutions that a batch norm follows, as one convolution in inference:
 *
 *     γ (W ∗ x + b − μ) / √(σ² + eps) + β = (s ⊙ W) ∗ x + s (b − μ) + β,   s = γ / √(σ² + eps)
 *
 * and what the batch norm adds beyond that, a residual and its activation. A dynamic or partial convolution does all of it in one
 * pass where its weights are packed: s is a part of them, and the rest is done to each tile of the output while it is in cache. Its
 * batch norm stays where another plan is faster, where kernels are depth-wise or no entry is dynamic, over three dimensions, with a
 * bias bank, with ODConv (whose filter attention comes between) and with DCD.
 */
import { isGradEnabled, nn, type Tensor } from '@padnet/torch';
import { VersionCache } from '../partial/index.js';
import type { Epilogue } from '../compute/nativeOperators.js';
import { DynamicConv } from './dynamicConv.js';
import { outputSize } from '../compute/outputSize.js';

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

/** The batch norm that `foldBatchNorms` would fold into a convolution; null where none comes right after it. */
export function batchNormOf(network: nn.Module, conv: nn.Module): nn.BatchNorm | null {
  return foldablePairs(network).find(([each]) => each === conv)?.[1] ?? null;
}

function fold(conv: Foldable, norm: nn.BatchNorm): () => void {
  const cache = new VersionCache<[factor: Tensor, shift: Tensor]>();
  let waiting: { readonly standIn: Tensor; readonly input: Tensor } | null = null;
  const restore = [
    nn.replaceForward(conv, (convolve) => (input: Tensor) => {
      waiting = null;
      if (norm.training || isGradEnabled()) cache.forget();
      else {
        const shape = outputShape(conv, input);
        if (shape && (conv instanceof nn.Conv || conv.takesEpilogue(input))) {
          waiting = { input, standIn: input.newFull([], NaN).expand(shape) };
          return waiting.standIn;
        }
      }
      return convolve(input);
    }),
    nn.replaceForward(norm, (normalise) => (given: Tensor, residual: Tensor | null = null) => {
      if (given !== waiting?.standIn) return normalise(given, residual);
      const { input } = waiting;
      waiting = null;
      const { activation } = norm;
      if (conv instanceof nn.Conv) {
        const madeOf = [...conv.stateDict().values(), ...norm.stateDict().values()];
        const [weight, shift] = cache.get(madeOf, () => foldedWeights(conv, norm));
        return convolved(input, weight, { shift, residual, activation }, conv.geometry);
      }
      const [factor, shift] = cache.get([...norm.stateDict().values()], () => factorAndShift(norm, null));
      return conv.forwardWithEpilogue(input, factor, { shift, residual, activation });
    }),
  ];
  return () => {
    for (const end of restore) end();
    cache.forget();
  };
}

/** Null where the convolution does not take such an input, which it is to say itself. */
function outputShape({ geometry }: Foldable, { shape }: Tensor): number[] | null {
  if (shape.length !== geometry.kernelSize.length + 2) return null;
  const size = outputSize(geometry, shape);
  return size.every((each) => each > 0) ? [shape[0]!, geometry.outChannels, ...size] : null;
}

/** Of a batch norm in evaluation, after an output with `bias`: s [channels] and s (b − μ) + β [channels]. */
export function factorAndShift(norm: nn.BatchNorm, bias: Tensor | null): [factor: Tensor, shift: Tensor] {
  const scale = norm.runningVar!.add(norm.eps).rsqrt();
  const factor = norm.weight ? scale.mul(norm.weight) : scale;
  const shift = (bias ? bias.sub(norm.runningMean!) : norm.runningMean!.neg()).mul(factor);
  return [factor, norm.bias ? shift.add(norm.bias) : shift];
}

/** s ⊙ W and the shift. */
function foldedWeights({ weight, bias }: nn.Conv, norm: nn.BatchNorm): [weight: Tensor, shift: Tensor] {
  const [factor, shift] = factorAndShift(norm, bias);
  return [weight.mul(factor.reshape([-1, ...weight.shape.slice(1).map(() => 1)])), shift];
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
