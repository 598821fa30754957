/**
 * How much the effective parameter differs from input to input (method.md §3): what stays the same for every input
 * might as well be static.
 *
 *     s_j = Var_x(λ_d · Σ_k α_k(x) Θ_kj) = λ_d² · Θ_jᵀ Cov(α) Θ_j,   Θ_j = (Θ_1j, …, Θ_Kj)
 *
 * Only the K × K covariance of the coefficients is summed up, no parameter is formed for an input. They are those of
 * the partition set at the current mask: one vector a picture, and the gates of one token (sentence, task) in a mixture
 * of experts, 0 where an expert is not chosen. Says nothing of the loss, nor of ODConv's other attentions.
 */
import { nn, noGrad, ops, scope, Tensor, zeros } from '@padnet/torch';
import { coefficientModule, type Gating } from '../../dynamic/index.js';
import { isDynamicConvolution, isDynamicLayer, type DynamicLayer } from '../../layers/index.js';
import { scaleFactors, type SearchSource } from '../../partial/index.js';
import type { Ranks } from '../../ranks.js';
import type { Saliency } from './saliency.js';
import { forEachBatch, scoreEach, type ScoringContext } from './scoring.js';

export const variance: Saliency = {
  name: 'variance',
  async score(context) {
    const covariances = await coefficientCovariances(context);
    try {
      return scoreEach(context.sources, (source) => {
        const { bank, numKernels, shape, phi, scaleMode } = source;
        const { dynamic: scale } = scaleFactors(phi, scaleMode);
        const scaled = (scale ? bank.mul(scale) : bank).reshape([numKernels, -1]);
        const covariance = covariances.get(source)!.covariance().to(bank.dtype);
        return scaled.mul(ops.matmul(covariance, scaled)).sum([0]).reshape(shape);
      });
    } finally {
      for (const sums of covariances.values()) sums[Symbol.dispose]();
    }
  },
};

/** Sums over vectors of K coefficients, in float64. */
class CoefficientSums implements Disposable {
  readonly #sum: Tensor;
  readonly #products: Tensor;
  #count = 0;

  constructor({ numKernels, bank: { device } }: SearchSource) {
    this.#sum = zeros([numKernels], { dtype: 'float64', device }).keep();
    this.#products = zeros([numKernels, numKernels], { dtype: 'float64', device }).keep();
  }

  /** @param coefficients [rows, K] */
  add(coefficients: Tensor): void {
    scope(() => {
      noGrad(() => {
        const rows = coefficients.detach().to('float64');
        this.#sum.add_(rows.sum([0]));
        this.#products.add_(ops.matmul(rows.t(), rows));
        this.#count += rows.shape[0]!;
      });
    });
  }

  sumOver({ group }: Ranks): void {
    group.allReduce(this.#sum).wait();
    group.allReduce(this.#products).wait();
    [this.#count = 0] = group.sum([this.#count]);
  }

  /** E[ααᵀ] − E[α] E[α]ᵀ: [K, K] */
  covariance(): Tensor {
    const count = Math.max(1, this.#count);
    const mean = this.#sum.div(count);
    return this.#products.div(count).sub(mean.unsqueeze(1).mul(mean));
  }

  [Symbol.dispose](): void {
    this.#sum[Symbol.dispose]();
    this.#products[Symbol.dispose]();
  }
}

function decidingModule(layer: DynamicLayer): nn.Module {
  return isDynamicConvolution(layer) ? coefficientModule(layer.router) : layer.router;
}

async function coefficientCovariances({
  network,
  sources,
  batchLosses,
  signal,
  ranks,
}: ScoringContext): Promise<Map<nn.Module, CoefficientSums>> {
  const covariances = new Map<nn.Module, CoefficientSums>(
    Array.from(sources.values(), (source) => [source, new CoefficientSums(source)]),
  );
  const undo: (() => void)[] = [];
  try {
    for (const [, layer] of network.namedModules()) {
      const sums = isDynamicLayer(layer) && covariances.get(layer.source);
      if (!sums) continue;
      undo.push(
        nn.observeForward(decidingModule(layer), (_inputs, output) => {
          sums.add(output instanceof Tensor ? output : (output as Gating).gates);
        }),
      );
    }
    await forEachBatch({ batchLosses, signal, ranks }, noGrad);
    if (ranks) for (const sums of covariances.values()) sums.sumOver(ranks);
    return covariances;
  } catch (error) {
    for (const sums of covariances.values()) sums[Symbol.dispose]();
    throw error;
  } finally {
    for (const restore of undo) restore();
  }
}
