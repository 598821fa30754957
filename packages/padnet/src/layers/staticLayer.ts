/**
 * Dynamic layers as the static ones that they are at mean attentions (method.md §1, §2; s spatial, f filter, c channel
 * attention, 1 where there is none):
 *
 *     W = f̄ ⊙ (λ_d · M ⊙ s̄ ⊙ Σ_k ᾱ_k Θ_k + λ_s · (1 − M) ⊙ Θ_s) ⊙ c̄,   b = Σ_k ᾱ_k b_k
 *
 * DCD's branch is linear in evaluation and becomes a part of W at the kernel's centre: P · (1 + D₂ Φ̄) · D₁ · Q, D the
 * factors of its batch norms; their shifts become a bias.
 *
 * A layer none of whose entries stay dynamic *is* static: a partition replaces it, and what else of it depends on the
 * input, bias and attentions, takes its mean.
 */
import { eye, nn, noGrad, ops, scope, type Tensor } from '@padnet/torch';
import { factorAndShift } from '../compute/fusedNorm.js';
import { DecomposedConv2d } from './decomposedConv2d.js';
import { DynamicConv } from './dynamicConv.js';
import { isDynamicLayer, type DynamicConvolutionLayer, type DynamicLayer } from './dynamicLayer.js';
import type { MeanAttention } from './meanAttention.js';
import { meanKernel } from './meanKernel.js';
import { MoELinear } from './moeLinear.js';
import { normedConvolutions } from './normedConvolutions.js';

/** The static layer of a dynamic one at mean attentions. */
export function staticLayer(layer: DynamicLayer, mean: MeanAttention): nn.Conv | nn.Linear {
  return layer instanceof MoELinear ? staticLinear(layer, mean) : staticConvolution(layer, mean);
}

/** Coefficients that are the same for all K, and no attention beside them. */
export function evenAttention(layer: DynamicLayer): MeanAttention {
  const { dtype, device } = layer.source.parameters()[0]!;
  const numKernels = layer instanceof MoELinear ? layer.router.numExperts : layer.router.numKernels;
  const coefficients = ops.full([numKernels], 1 / numKernels, { dtype, device });
  return { coefficients, spatial: null, channel: null, filter: null };
}

/**
 * For as many dimensions as the layer has; in its mode, dtype and device. Of DCD on a grouped convolution it has the
 * part of the branch that groups can have: its own group's channels.
 */
function staticConvolution(layer: DynamicConvolutionLayer, mean: MeanAttention): nn.Conv {
  return noGrad(() => {
    const { weight, bias } = layer instanceof DynamicConv ? mixedWeights(layer, mean) : decomposedWeights(layer, mean);
    const conv = emptyStaticLayer(layer, bias !== null);
    conv.weight.copy_(weight);
    if (bias) conv.bias!.copy_(bias);
    return conv;
  });
}

/** All experts of a mixture, each by its mean gate; without a dynamic entry that is what every token gets. */
function staticLinear(layer: MoELinear, mean: MeanAttention): nn.Linear {
  return noGrad(() => {
    const { biasBank } = layer;
    const linear = emptyStaticLayer(layer, biasBank !== null);
    linear.weight.copy_(meanWeight(layer, mean));
    if (biasBank) linear.bias!.copy_(ops.matmul(mean.coefficients, biasBank));
    return linear;
  });
}

/** The static layer of a dynamic one's shape, dtype, device and mode, for weights to be copied into. */
export function emptyStaticLayer(layer: MoELinear, bias: boolean): nn.Linear;
export function emptyStaticLayer(layer: DynamicConvolutionLayer, bias: boolean): nn.Conv;
export function emptyStaticLayer(layer: DynamicLayer, bias: boolean): nn.Conv | nn.Linear;
export function emptyStaticLayer(layer: DynamicLayer, bias: boolean): nn.Conv | nn.Linear {
  const { dtype, device } = layer.source.parameters()[0]!;
  return madeFor(layer, bias).to(dtype).to(device).train(layer.training);
}

function madeFor(layer: DynamicLayer, bias: boolean): nn.Conv | nn.Linear {
  if (layer instanceof MoELinear) {
    const [outFeatures = 0, inFeatures = 0] = layer.source.shape;
    return new nn.Linear({ inFeatures, outFeatures, bias });
  }
  const layers: readonly (new (options: never) => nn.Conv)[] = [nn.Conv1d, nn.Conv2d, nn.Conv3d];
  const Conv = layers[layer.geometry.kernelSize.length - 1]!;
  return new Conv({ ...layer.geometry, bias } as never);
}

interface Weights {
  readonly weight: Tensor;
  readonly bias: Tensor | null;
}

function mixedWeights(layer: DynamicConv, mean: MeanAttention): Weights {
  const { geometry, biasBank } = layer;
  const ones = geometry.kernelSize.map(() => 1);
  let weight = meanWeight(layer, mean);
  if (mean.filter) weight = weight.mul(mean.filter.reshape([-1, 1, ...ones]));
  if (mean.channel) weight = weight.mul(ofGroups(mean.channel.expand([geometry.outChannels, -1]), geometry));
  return { weight, bias: biasBank && ops.matmul(mean.coefficients, biasBank) };
}

/** λ_d · M ⊙ s̄ ⊙ Σ_k ᾱ_k Θ_k + λ_s · (1 − M) ⊙ Θ_s */
function meanWeight(layer: DynamicLayer, mean: MeanAttention): Tensor {
  const { source } = layer;
  const { bank, scale, constant } = source.effective(false);
  if (bank === null || source.dynamicRatio === 0) return constant!;
  const mixed = meanKernel(layer, bank, mean);
  const scaled = scale ? mixed.mul(scale) : mixed;
  return constant ? scaled.add(constant) : scaled;
}

function decomposedWeights(layer: DecomposedConv2d, mean: MeanAttention): Weights {
  const { geometry, q, p, bn1, bn2 } = layer;
  const [latent = 0, inChannels = 0] = q.shape;
  const [factor1, shift1] = factorAndShift(bn1, null);
  const [factor2, shift2] = factorAndShift(bn2, null);
  const phi = meanWeight(layer, mean).reshape([latent, latent]);
  const { dtype, device } = phi;
  const fused = eye(latent, { dtype, device }).add(phi.mul(factor2.unsqueeze(1)));
  const back = p.reshape([-1, latent]);
  const projected = ops.matmul(back, fused);
  const branch = ops.matmul(projected.mul(factor1), q.reshape([latent, inChannels]));
  const constant = ops.matmul(projected, shift1).add(ops.matmul(back, shift2));
  const weight = mean.filter ? layer.weight.mul(mean.filter.reshape([-1, 1, 1, 1])) : layer.weight.clone();
  centreOf(weight, geometry).add_(ofGroups(branch, geometry).reshape([geometry.outChannels, -1]));
  return { weight, bias: layer.bias ? constant.add(layer.bias) : constant };
}

/**
 * The part of a weight of all channels [outChannels, inChannels] in each filter's own group: [outChannels, inChannels /
 * groups, 1, …].
 */
function ofGroups(weight: Tensor, { groups, outChannels, inChannels, kernelSize }: nn.ConvGeometry): Tensor {
  const blocks = weight.reshape([groups, outChannels / groups, groups, inChannels / groups]);
  const own = ops.diagonal(blocks, { dim1: 0, dim2: 2 }).permute([2, 0, 1]);
  return own.reshape([outChannels, inChannels / groups, ...kernelSize.map(() => 1)]);
}

/**
 * The position of a kernel [outChannels, channels, height, width] that DCD's branch sees, as a view [outChannels,
 * channels].
 */
function centreOf(weight: Tensor, { kernelSize, dilation }: nn.Conv2dGeometry): Tensor {
  const [row, column] = ([0, 1] as const).map((axis) => {
    const before = Math.floor((dilation[axis] * (kernelSize[axis] - 1)) / 2);
    return Math.floor(before / dilation[axis]);
  });
  return weight.select(2, row!).select(2, column!);
}

/**
 * Puts a static layer into the place of a dynamic one. A bias that only DCD's branch has brought goes into the batch
 * norm that follows, where there is one: it subtracts the mean of what it gets, so that nothing changes.
 */
export function replaceByStatic(
  network: nn.Module,
  path: string,
  layer: DynamicLayer,
  made: nn.Conv | nn.Linear,
): nn.Conv | nn.Linear {
  network.replaceModule(path, made);
  const norm = layer instanceof DecomposedConv2d && layer.bias === null ? batchNormOf(network, made) : null;
  if (!norm) return made;
  const plain = emptyStaticLayer(layer, false);
  noGrad(() => {
    norm.runningMean!.sub_(made.bias!);
    plain.weight.copy_(made.weight);
  });
  network.replaceModule(path, plain);
  return plain;
}

/** The batch norm that comes right behind a convolution; null where none does. */
function batchNormOf(network: nn.Module, conv: nn.Conv | nn.Linear): nn.BatchNorm | null {
  for (const [, module] of network.namedModules()) {
    const pair = normedConvolutions(module).find((each) => each.conv.module === conv);
    if (pair && pair.norm.module.runningMean?.numel === conv.weight.shape[0]) return pair.norm.module;
  }
  return null;
}

/**
 * Replaces the layers of a network that compute the same for every input by the static ones that they are, as models
 * have them that were saved before partitions did so. A layer stays whose bias or attentions still depend on the input:
 * it was trained with them.
 */
export function replaceConstantLayers(network: nn.Module): void {
  const made = new Map<nn.Module, nn.Conv | nn.Linear>(); // a layer that is reached by two paths is one layer
  for (const [path, layer] of [...network.namedModules()]) {
    if (path === '' || !isDynamicLayer(layer) || !isConstant(layer)) continue;
    scope(() => {
      const replacement = made.get(layer) ?? staticLayer(layer, evenAttention(layer));
      made.set(layer, replacement);
      network.replaceModule(path, replacement);
      markPartitioned(replacement, layer.source.shape);
    });
  }
}

function isConstant(layer: DynamicLayer): layer is MoELinear | DynamicConv {
  if (layer instanceof DecomposedConv2d || layer.biasBank !== null || layer.source.dynamicRatio > 0) return false;
  return layer instanceof MoELinear || !layer.router.attend;
}

const partitionedShapes = new WeakMap<nn.Module, readonly number[]>();

/**
 * Remembers that a static layer is one because a partition left it no dynamic entry.
 *
 * @param shape of what was partitioned
 */
export function markPartitioned(layer: nn.Conv | nn.Linear, shape: readonly number[]): void {
  partitionedShapes.set(layer, shape);
}

/**
 * The shape of a static layer that `markPartitioned` knows: κ of a network counts its entries. Null for every other
 * module.
 */
export function partitionedShape(module: nn.Module): readonly number[] | null {
  return partitionedShapes.get(module) ?? null;
}
