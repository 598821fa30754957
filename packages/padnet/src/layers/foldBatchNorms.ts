/**
 * Static convolutions that a batch norm follows, as one convolution in inference:
 *
 *     γ (W ∗ x + b − μ) / √(σ² + eps) + β = (s ⊙ W) ∗ x + s (b − μ) + β,   s = γ / √(σ² + eps)
 *
 * What the batch norm adds beyond that, a residual and its activation, is then done in place. Dynamic and partial convolutions keep
 * their batch norm: a bias of theirs would be a pass over the output as the batch norm is one (docs/performance.md).
 */
import { isGradEnabled, nn, type Tensor } from '@padnet/torch';
import { TensorCache } from '../partial/index.js';

/**
 * Folds every batch norm that comes right after a static convolution of as many channels among a module's children, which has
 * to be the order in which the module runs them, as in all networks of `createModel`. Parameters and buffers stay as they are:
 * the network is saved and trained as before, and only in evaluation mode without gradients computes as folded, with weights made anew
 * where these have changed: a second copy of them.
 *
 * @returns what ends that
 */
export function foldBatchNorms(network: nn.Module): () => void {
  const undo = foldablePairs(network).map(([conv, norm]) => fold(conv, norm));
  return () => {
    for (const restore of undo.reverse()) restore();
  };
}

function foldablePairs(network: nn.Module): [nn.Conv, nn.BatchNorm][] {
  const pairs: [nn.Conv, nn.BatchNorm][] = [];
  for (const [, module] of network.namedModules()) {
    let previous: nn.Module | null = null;
    for (const [, child] of module.children()) {
      if (previous instanceof nn.Conv && child instanceof nn.BatchNorm && isFoldable(previous, child))
        pairs.push([previous, child]);
      previous = child;
    }
  }
  return pairs;
}

function isFoldable({ geometry }: nn.Conv, { runningMean }: nn.BatchNorm): boolean {
  return runningMean?.numel === geometry.outChannels;
}

function fold(conv: nn.Conv, norm: nn.BatchNorm): () => void {
  const cache = new TensorCache<'folded'>();
  const [convolve, normalise] = [conv.forward.bind(conv), norm.forward.bind(norm)];
  /** What the convolution has just given, already normalised. */
  let normalised: Tensor | null = null;
  const restore = [
    setForward(conv, (input) => {
      normalised = null;
      if (norm.training || isGradEnabled()) {
        cache.forget('folded');
        return convolve(input);
      }
      const [weight, bias] = cache.get('folded', [...conv.stateDict().values(), ...norm.stateDict().values()], () =>
        foldedWeights(conv, norm),
      );
      normalised = nn.convolve(input, weight!, bias!, conv.geometry);
      return normalised;
    }),
    setForward(norm, (input, residual) => {
      if (input !== normalised) return normalise(input, residual);
      normalised = null;
      return activate(residual ? input.add_(residual) : input, norm.activation);
    }),
  ];
  return () => {
    for (const end of restore) end();
    cache.forget('folded');
  };
}

function foldedWeights({ weight, bias }: nn.Conv, norm: nn.BatchNorm): Tensor[] {
  const scale = norm.runningVar!.add(norm.eps).rsqrt();
  const factor = norm.weight ? scale.mul(norm.weight) : scale;
  const shift = (bias ? bias.sub(norm.runningMean!) : norm.runningMean!.neg()).mul(factor);
  const perFilter = factor.reshape([-1, ...weight.shape.slice(1).map(() => 1)]);
  return [weight.mul(perFilter), norm.bias ? shift.add(norm.bias) : shift];
}

/** In place: the convolution's output belongs to nobody else. */
function activate(output: Tensor, activation: nn.Activation): Tensor {
  switch (activation) {
    case 'none':
      return output;
    case 'relu':
      return output.relu_();
    case 'relu6':
      return output.hardtanh_({ minVal: 0, maxVal: 6 });
  }
}

/** A `forward` of its own before that of its class. @returns what ends that */
function setForward<M extends nn.Conv | nn.BatchNorm>(module: M, forward: M['forward']): () => void {
  Object.defineProperty(module, 'forward', { configurable: true, writable: true, enumerable: false, value: forward });
  return () => {
    Reflect.deleteProperty(module, 'forward');
  };
}
