/** What the routers of searched layers decide on the partition set, for scores that weigh a bank by it. */
import { nn, noGrad, ops, scope, Tensor, zeros } from '@padnet/torch';
import { coefficientModule, type Gating } from '../../dynamic/index.js';
import { isDynamicConvolution, isSearched, type DynamicLayer } from '../../layers/index.js';
import { scaleFactors, type SearchSource } from '../../partial/index.js';
import type { Ranks } from '../../ranks.js';
import { forEachBatch, scoreEach, type ScoringContext } from './scoring.js';

/**
 * Sums over vectors of K coefficients, in float64: one a picture, and the gates of one token (sentence, task) in a
 * mixture of experts, 0 where an expert is not chosen.
 */
export class CoefficientSums implements Disposable {
  readonly #sum: Tensor;
  readonly #absolute: Tensor;
  readonly #products: Tensor;
  #count = 0;

  constructor({ numKernels, bank: { device } }: SearchSource) {
    const none = (shape: readonly number[]): Tensor => zeros(shape, { dtype: 'float64', device }).keep();
    this.#sum = none([numKernels]);
    this.#absolute = none([numKernels]);
    this.#products = none([numKernels, numKernels]);
  }

  /** @param coefficients [rows, K] */
  add(coefficients: Tensor): void {
    scope(() => {
      noGrad(() => {
        const rows = coefficients.detach().to('float64');
        this.#sum.add_(rows.sum([0]));
        this.#absolute.add_(rows.abs().sum([0]));
        this.#products.add_(ops.matmul(rows.t(), rows));
        this.#count += rows.shape[0]!;
      });
    });
  }

  sumOver({ group }: Ranks): void {
    for (const total of [this.#sum, this.#absolute, this.#products]) group.allReduce(total).wait();
    [this.#count = 0] = group.sum([this.#count]);
  }

  /** E[ααᵀ] − E[α] E[α]ᵀ: [K, K] */
  covariance(): Tensor {
    const count = Math.max(1, this.#count);
    const mean = this.#sum.div(count);
    return this.#products.div(count).sub(mean.unsqueeze(1).mul(mean));
  }

  /** Each kernel's share of what the router gives, p_k = E|α_k| / Σ_l E|α_l|: [K], 0 where all coefficients are. */
  use(): Tensor {
    const total = this.#absolute.sum();
    return this.#absolute.div(ops.where(total.gt(0), total, ops.onesLike(total)));
  }

  [Symbol.dispose](): void {
    for (const total of [this.#sum, this.#absolute, this.#products]) total[Symbol.dispose]();
  }
}

/**
 * What `score` makes of the coefficients of every searched layer while `run` runs the network; with ranks, of all of
 * them. The sums are freed afterwards.
 */
export async function scoreByCoefficients<T, Scores>(
  { network, sources, ranks }: Pick<ScoringContext, 'network' | 'sources' | 'ranks'>,
  run: () => Promise<T>,
  score: (sums: ReadonlyMap<SearchSource, CoefficientSums>, result: T) => Scores,
): Promise<Scores> {
  const sums = new Map(Array.from(sources.values(), (source) => [source, new CoefficientSums(source)]));
  const undo: (() => void)[] = [];
  try {
    for (const [, layer] of network.namedModules()) {
      const ofLayer = isSearched(layer) && sums.get(layer.source);
      if (!ofLayer) continue;
      undo.push(
        nn.observeForward(decidingModule(layer), (_inputs, output) => {
          ofLayer.add(output instanceof Tensor ? output : (output as Gating).gates);
        }),
      );
    }
    const result = await run();
    if (ranks) for (const each of sums.values()) each.sumOver(ranks);
    return score(sums, result);
  } finally {
    for (const restore of undo) restore();
    for (const each of sums.values()) each[Symbol.dispose]();
  }
}

/**
 * A score of each layer from its bank λ_d Θ [K, …shape] and what its router decides on the partition set.
 *
 * @param score […shape]
 */
export function scoreBanks(
  context: ScoringContext,
  score: (bank: Tensor, sums: CoefficientSums) => Tensor,
): Promise<Map<string, Tensor>> {
  return scoreByCoefficients(
    context,
    () => forEachBatch(context, noGrad),
    (sums) =>
      scoreEach(context.sources, (source) => {
        const { bank, phi, scaleMode } = source;
        const { dynamic: scale } = scaleFactors(phi, scaleMode);
        return score(scale ? bank.mul(scale) : bank, sums.get(source)!);
      }),
  );
}

function decidingModule(layer: DynamicLayer): nn.Module {
  return isDynamicConvolution(layer) ? coefficientModule(layer.router) : layer.router;
}
