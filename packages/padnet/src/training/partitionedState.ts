/** What an optimizer knows of a network, when the network gets its masks for good. */
import { noGrad, ops, scope, type optim, type Tensor } from '@padnet/torch';
import type { Mask } from '../partial/index.js';

/**
 * The state for the network after `applyPartition`: of each bank what belongs to the entries in use, all else unchanged. Static
 * weights have none yet.
 *
 * @param masks by layer path
 */
export function partitionedState(
  { tensors, numbers }: optim.OptimizerState,
  masks: ReadonlyMap<string, Mask>,
): optim.OptimizerState {
  const ofBanks = new Map(
    Array.from(masks, ([path, mask]) => [path === '' ? 'source.bank' : `${path}.source.bank`, mask]),
  );
  const gathered = Array.from(tensors, ([key, tensor]): [string, Tensor] => {
    const mask = ofBanks.get(key.slice(key.indexOf('.') + 1));
    return [key, mask ? inUse(tensor, mask) : tensor];
  });
  return { tensors: new Map(gathered), numbers };
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
