/**
 * A compact file as a network that can be trained: every module has all its tensors again. What the compact form has
 * multiplied into the weights comes back neutral, so that the network answers the same: scale factors are 1 (φ = 0),
 * batch norms add the bias and nothing else, the noise of routers is at its start, 0.
 */
import { nn, ops, scope, tensor, zeros, type Tensor } from '@padnet/torch';
import { NoisyTopK, OdAttention } from '../dynamic/index.js';
import { InputError, reasonOf } from '../errors.js';
import { DecomposedConv2d, loadCompactStateDict, normedConvolutions } from '../layers/index.js';
import { isMasked, sourceOf } from '../partial/index.js';
import { createDescribed } from '../runs/index.js';
import type { CompactFile } from './compactForm.js';

/**
 * In evaluation mode.
 *
 * @param name of the file, for messages
 * @throws InputError where tensors and description do not fit
 */
export function trainingForm({ description, tensors }: CompactFile, name: string): nn.Module {
  const network = createDescribed(description, name);
  scope(() => {
    try {
      loadCompactStateDict(network, trainingState(network, tensors));
    } catch (error) {
      throw new InputError(`${name}: ${reasonOf(error)}; get the file again`, { cause: error });
    }
  });
  return network.eval();
}

/** @param network of the same kind, for the tensors that the compact form does not have */
function trainingState(network: nn.Module, tensors: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  const state = new Map(tensors);
  for (const [path, module] of network.namedModules()) {
    const at = (name: string): string => (path === '' ? name : `${path}.${name}`);
    const source = sourceOf(module);
    if (isMasked(source) && source.phi && state.has(at('mask_bits'))) state.set(at('phi'), zeros([]));
    if (module instanceof NoisyTopK && state.has(at('w_gate')))
      state.set(at('w_noise'), ops.zerosLike(state.get(at('w_gate'))!));
    if (module instanceof nn.BatchNorm && state.has(at('running_mean'))) state.set(at('num_batches_tracked'), count());
    if (module instanceof OdAttention) addNorm(state, at('fc.bias'), module.bn, at('bn'));
    if (module instanceof DecomposedConv2d) {
      addNorm(state, at('q_bias'), module.bn1, at('bn1'));
      addNorm(state, at('phi_bias'), module.bn2, at('bn2'));
    }
    for (const { conv, norm } of normedConvolutions(module))
      addNorm(state, at(`${conv.name}.bias`), norm.module, at(norm.name));
  }
  return state;
}

/** The bias becomes the norm's: γ = 1, β = bias, μ = 0 and √(σ² + eps) = 1. */
function addNorm(state: Map<string, Tensor>, biasName: string, { eps }: nn.BatchNorm, path: string): void {
  const bias = state.get(biasName);
  if (!bias) return; // of a layer that a partition has made static
  state.delete(biasName);
  state.set(`${path}.weight`, bias.onesLike());
  state.set(`${path}.bias`, bias);
  state.set(`${path}.running_mean`, ops.zerosLike(bias));
  state.set(`${path}.running_var`, bias.fullLike(1 - eps));
  state.set(`${path}.num_batches_tracked`, count());
}

function count(): Tensor {
  return tensor(0, { dtype: 'int64' });
}
