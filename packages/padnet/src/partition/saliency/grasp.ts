/**
 * GraSP (Wang et al. 2020, arXiv 2002.07376; method.md §3): how much of the gradient's norm, and so of the loss that a
 * step of training takes away, goes with a parameter. With g the gradient and H the Hessian of the loss of all batches
 * by the banks, at the current mask (g is 0 where an entry is static, as nothing is trained there):
 *
 *     s_j = Σ_k Θ_kj · (Hg)_kj
 *
 * The paper's S = −θ ⊙ Hg with its highest entries taken away: entries with s_j below 0 hinder the flow of gradients
 * and become static first. The loss is differentiated twice, which the native layers refuse: it is computed by
 * compositions meanwhile.
 */
import { grad, noGrad, type nn, type Tensor } from '@padnet/torch';
import { isDepthwise } from '../../compute/index.js';
import { DynamicConv, MoELinear } from '../../layers/index.js';
import type { Saliency } from './saliency.js';
import { sumOverBatches, timesBank, withBankVariables, type ScoringContext } from './scoring.js';

export const grasp: Saliency = {
  name: 'grasp',
  isSigned: true,
  score: (context) => withTwiceDifferentiablePlans(context.network, () => scoreEntries(context)),
};

async function scoreEntries(context: ScoringContext): Promise<Map<string, Tensor>> {
  const { sources } = context;
  const flow = await sumOverBatches(
    context,
    ({ bank }) => bank.shape,
    (batchLoss) => {
      const gradients = withBankVariables(sources, (banks) => grad(batchLoss(), banks));
      return noGrad(() => Array.from(sources.values(), (source, index) => gradients[index]!.mul(source.maskTensor())));
    },
  );
  try {
    return await sumOverBatches(
      context,
      ({ shape }) => shape,
      (batchLoss) =>
        withBankVariables(sources, (banks) => {
          const gradients = grad(batchLoss(), banks, { createGraph: true });
          const products = [...flow.values()].map((g, index) => g.mul(gradients[index]!).sum());
          return timesBank(sources, grad(products, banks));
        }),
    );
  } finally {
    for (const g of flow.values()) g[Symbol.dispose]();
  }
}

/**
 * Layers that libtorch's operators make up; depth-wise they mix a kernel for each sample, as no other plan has them.
 */
async function withTwiceDifferentiablePlans<T>(network: nn.Module, body: () => Promise<T>): Promise<T> {
  const undo: (() => void)[] = [];
  for (const [, layer] of network.namedModules()) {
    if (layer instanceof DynamicConv) {
      const { plan } = layer;
      undo.push(() => (layer.plan = plan));
      layer.plan = isDepthwise(layer.geometry) ? 'perSample' : 'perKernel';
    } else if (layer instanceof MoELinear) {
      const { plan } = layer;
      undo.push(() => (layer.plan = plan));
      layer.plan = 'dense';
    }
  }
  try {
    return await body();
  } finally {
    for (const restore of undo) restore();
  }
}
