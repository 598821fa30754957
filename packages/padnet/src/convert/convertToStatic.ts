/**
 * The way back: every dynamic or partial convolution of a network becomes a static one, in place, with the kernel and bias that
 * it has at its mean attentions over data (method.md §1, §2; s spatial, f filter, c channel attention, 1 where there is none):
 *
 *     W = f̄ ⊙ (λ_d · M ⊙ s̄ ⊙ Σ_k ᾱ_k Θ_k + λ_s · (1 − M) ⊙ Θ_s) ⊙ c̄,   b = Σ_k ᾱ_k b_k
 *
 * The output stays the same where a router decides alike for every input; by how much it moves elsewhere is to be measured.
 */
import { nn, noGrad, ops, scope, type Tensor } from '@padnet/torch';
import {
  DecomposedConv2d,
  DynamicConv,
  isDynamicLayer,
  meanAttentions,
  meanKernel,
  type MeanAttention,
} from '../layers/index.js';

/**
 * @param passes each runs the network forward once, on data such as it was trained on; more are more exact means
 * @throws RangeError where the network has no dynamic convolution, one that no pass reaches, or a mixture of experts, in which a
 * token has only its own k experts: their mean is no layer that was trained; or DCD, whose branch sees all channels whatever
 * the groups and adds a bias that the static network has not. Then nothing was changed
 */
export function convertToStatic<N extends nn.Module>(network: N, passes: Iterable<() => unknown>): N {
  const layers = Array.from(network.namedModules()).filter((entry) => isDynamicLayer(entry[1]));
  const convolutions = layers.filter((entry): entry is [string, DynamicConv] => entry[1] instanceof DynamicConv);
  const other = layers.find(([, layer]) => !(layer instanceof DynamicConv));
  if (other) {
    const what = other[1] instanceof DecomposedConv2d ? 'a convolution of DCD' : 'a mixture of experts';
    throw new RangeError(`${other[0]} is ${what}, which has no static form`);
  }
  if (convolutions.length === 0) throw new RangeError('the network has no dynamic convolution');
  scope(() => {
    const means = meanAttentions(
      network,
      convolutions.map(([, layer]) => layer),
      passes,
    );
    const unreached = convolutions.find(([, layer]) => !means.has(layer));
    if (unreached) throw new RangeError(`${unreached[0]} did not run, so it has no mean coefficients`);
    for (const [path, layer] of convolutions)
      scope(() => {
        network.replaceModule(path, staticConvolution(layer, means.get(layer)!));
      });
  });
  return network;
}

/** For as many dimensions as the layer has. */
function staticConvolution(layer: DynamicConv, mean: MeanAttention): nn.Conv {
  return noGrad(() => {
    const { geometry, biasBank, training } = layer;
    const weight = staticKernel(layer, mean);
    const layers: readonly (new (options: never) => nn.Conv)[] = [nn.Conv1d, nn.Conv2d, nn.Conv3d];
    const Conv = layers[geometry.kernelSize.length - 1]!;
    const conv = new Conv({ ...geometry, bias: biasBank !== null } as never).to(weight.dtype).to(weight.device);
    conv.weight.copy_(weight);
    if (biasBank) conv.bias!.copy_(ops.matmul(mean.coefficients, biasBank));
    return conv.train(training);
  });
}

function staticKernel(layer: DynamicConv, mean: MeanAttention): Tensor {
  const { outChannels, inChannels, groups } = layer.geometry;
  const { bank, scale, constant } = layer.source.effective(false);
  let kernel = constant;
  if (bank) {
    const mixed = meanKernel(layer, bank, mean);
    const scaled = scale ? mixed.mul(scale) : mixed;
    kernel = constant ? scaled.add(constant) : scaled;
  }
  const ones = layer.geometry.kernelSize.map(() => 1);
  if (mean.filter) kernel = kernel!.mul(mean.filter.reshape([outChannels, 1, ...ones]));
  if (mean.channel) {
    // Filters of a group see that group's channels alone.
    const seen = mean.channel.reshape([groups, 1, -1]).expand([groups, outChannels / groups, inChannels / groups]);
    kernel = kernel!.mul(seen.reshape([outChannels, -1, ...ones]));
  }
  return kernel!;
}
