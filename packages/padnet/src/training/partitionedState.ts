/** The state that an optimizer has of a network, when the network gets its masks for good. */
import { noGrad, ops, scope, type nn, type optim, type Tensor } from '@padnet/torch';
import type { Mask } from '../partial/index.js';

/**
 * The state for a network after `applyPartition`: of each bank what belongs to the entries in use, nothing of layers
 * that have become static and of their routers, all else unchanged. Static weights have none yet.
 *
 * @param masks by layer path
 */
export function partitionedState(
  { tensors, numbers }: optim.OptimizerState,
  masks: ReadonlyMap<string, Mask>,
  network: nn.Module,
): optim.OptimizerState {
  const names = new Set(Array.from(network.namedParameters(), ([name]) => name));
  /** Keys are `<kind>.<parameter>`; a number can be of the whole. */
  const isThere = (key: string): boolean => !key.includes('.') || names.has(parameterOf(key));
  const ofBanks = new Map(
    Array.from(masks, ([path, mask]) => [path === '' ? 'source.bank' : `${path}.source.bank`, mask]),
  );
  const gathered = [...tensors]
    .filter(([key]) => isThere(key))
    .map(([key, tensor]): [string, Tensor] => {
      const mask = ofBanks.get(parameterOf(key));
      return [key, mask ? inUse(tensor, mask) : tensor];
    });
  const kept = Object.entries(numbers).filter(([key]) => isThere(key));
  return { tensors: new Map(gathered), numbers: Object.fromEntries(kept) };
}

/** The parameter that a state of an optimizer belongs to; its key is `<kind>.<parameter>`. */
export function parameterOf(key: string): string {
  return key.slice(key.indexOf('.') + 1);
}

/** [K, …shape] → [K, d] */
function inUse(tensor: Tensor, mask: Mask): Tensor {
  return scope(() =>
    noGrad(() => {
      const numKernels = tensor.shape[0]!;
      const entries = ops
        .nonzero(mask.toTensor().reshape([-1]))
        .reshape([-1])
        .to(tensor.device);
      return ops.gather(tensor.reshape([numKernels, -1]), 1, entries.expand([numKernels, entries.numel]));
    }),
  );
}
