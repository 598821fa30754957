/**
 * The numbers that a network needs to answer, and no others. Scale factors are multiplied into the static and dynamic
 * numbers of partial layers, and batch norms into the convolutions before them (method.md §2):
 *
 *     λ_d Θ, λ_s Θ_s;   s ⊙ W, s (b − μ) + β,   s = γ / √(σ² + eps)
 *
 * Names are those of the state dict, less those that were multiplied in; a convolution that takes over a norm gets a
 * `bias`. What only training needs is left out: noise of routers, counts of batches.
 */
import { nn, noGrad, ops, type Tensor } from '@padnet/torch';
import { factorAndShift } from '../compute/fusedNorm.js';
import { NoisyTopK, OdAttention } from '../dynamic/index.js';
import { compactStateDict, DecomposedConv2d, normedConvolutions } from '../layers/index.js';
import { isMasked, scaleFactors, sourceOf, unpackBits } from '../partial/index.js';

/** A network's convolutions have no numbers of their norms: copies, in the network's dtype. */
export function compactTensors(network: nn.Module): Map<string, Tensor> {
  return noGrad(() => {
    const tensors = new Map(Array.from(compactStateDict(network), ([name, tensor]) => [name, tensor.clone()]));
    for (const [path, module] of network.namedModules()) {
      const at = (name: string): string => join(path, name);
      const source = sourceOf(module);
      if (isMasked(source)) foldScales(tensors, at, source);
      if (module instanceof NoisyTopK) tensors.delete(at('w_noise'));
      if (module instanceof nn.BatchNorm) tensors.delete(at('num_batches_tracked'));
      if (module instanceof OdAttention) foldNorm(tensors, [at('fc.weight')], at('fc.bias'), module.bn, at('bn'));
      if (module instanceof DecomposedConv2d) {
        foldNorm(tensors, [at('q')], at('q_bias'), module.bn1, at('bn1'));
        foldNorm(tensors, sourceNames(tensors, at('source')), at('phi_bias'), module.bn2, at('bn2'));
      }
      for (const { conv, norm } of normedConvolutions(module)) {
        const [convPath, normPath] = [at(conv.name), at(norm.name)];
        foldNorm(tensors, outputNames(tensors, convPath, conv.module), `${convPath}.bias`, norm.module, normPath);
      }
    }
    return tensors;
  });
}

/** λ_d into the bank, λ_s into the static weight. */
function foldScales(
  tensors: Map<string, Tensor>,
  at: (name: string) => string,
  { phi, scaleMode }: { readonly phi: Tensor | null; readonly scaleMode: Parameters<typeof scaleFactors>[1] },
): void {
  const factors = scaleFactors(phi, scaleMode);
  if (factors.dynamic) tensors.get(at('bank'))!.mul_(factors.dynamic);
  if (factors.static) tensors.get(at('static_weight'))!.mul_(factors.static);
  tensors.delete(at('phi'));
}

/** The tensors of a convolution that its output is proportional to. */
function outputNames(tensors: Map<string, Tensor>, path: string, conv: nn.Module): string[] {
  if (conv instanceof nn.Conv) return [`${path}.weight`];
  if (conv instanceof DecomposedConv2d) return [`${path}.weight`, `${path}.p`];
  const biases = tensors.has(`${path}.bias_bank`) ? [`${path}.bias_bank`] : [];
  return [...sourceNames(tensors, `${path}.source`), ...biases];
}

function sourceNames(tensors: Map<string, Tensor>, source: string): string[] {
  return [`${source}.bank`, `${source}.static_weight`].filter((name) => tensors.has(name));
}

/**
 * norm(layer(x)) = layer'(x) + bias'.
 *
 * @param scaled names of the layer's tensors that its output is proportional to
 * @param bias the name of what it adds, which need not be there yet
 */
function foldNorm(
  tensors: Map<string, Tensor>,
  scaled: readonly string[],
  bias: string,
  norm: nn.BatchNorm,
  normPath: string,
): void {
  const [factor, shift] = factorAndShift(norm, tensors.get(bias) ?? null);
  for (const name of scaled) tensors.get(name)!.mul_(factorOf(tensors, name, factor));
  tensors.set(bias, shift);
  for (const name of norm.stateDict().keys()) tensors.delete(`${normPath}.${name}`);
}

/** The factor [O] of output channels in the shape of a tensor that has one number, or many, a channel. */
function factorOf(tensors: ReadonlyMap<string, Tensor>, name: string, factor: Tensor): Tensor {
  const { shape } = tensors.get(name)!;
  const [numChannels = 0] = factor.shape;
  const [, source, part] = /^(.*)\.(bank|static_weight)$/.exec(name) ?? [];
  const bits = tensors.get(`${source}.mask_bits`);
  if (bits) {
    const [bank, staticWeight] = [tensors.get(`${source}.bank`)!, tensors.get(`${source}.static_weight`)!];
    const size = staticWeight.shape[0]! + bank.shape[1]!;
    const mask = unpackBits(bits, [size]);
    const positions = ops.nonzero(part === 'bank' ? mask : mask.logicalNot()).reshape([-1]);
    return factor.indexSelect(0, ops.floorDivide(positions, size / numChannels));
  }
  const leading = name.endsWith('bank') ? [1] : [];
  return factor.reshape([...leading, numChannels, ...shape.slice(leading.length + 1).map(() => 1)]);
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}
