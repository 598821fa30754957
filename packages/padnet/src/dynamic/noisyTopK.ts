/**
 * The router of a mixture of experts: noisy top-k gating (Shazeer et al. 2017, arXiv 1701.06538; method.md §1). Of the
 * E logits x·W_g the k largest are kept and softmaxed, the other experts are not computed. In training, noise of a
 * learnt size breaks ties and lets every expert be tried.
 */
import { nn, ops, randn, zeros, type Tensor } from '@padnet/torch';
import { rowsOfAll, sharedBatch, sumOverRanks, type ProcessGroup } from '@padnet/torch/distributed';

export interface NoisyTopKOptions {
  readonly inFeatures: number;
  /** E */
  readonly numExperts: number;
  /** Experts computed for each input, at most E. */
  readonly k: number;
  /** Weight of the auxiliary loss. @default 0.01 */
  readonly auxiliaryWeight?: number;
  /**
   * W_g at the start: 0, so that noise alone decides, or normal with the standard deviation of BERT's layers, so that
   * equal inputs go to equal experts. @default 'published'
   */
  readonly start?: (typeof gatingStarts)[number];
}

export const gatingStarts = ['published', 'normal'] as const;

const normalStart = 0.02;

/** The decisions of the router for `rows` inputs (tokens, sentences or one task). */
export interface Gating {
  /** [rows, E]; 0 where an expert is not chosen, a row sums to 1 */
  readonly gates: Tensor;
  /** The chosen experts [rows, k], int64, best first. */
  readonly experts: Tensor;
  /** Their gates [rows, k]. */
  readonly weights: Tensor;
  /**
   * How many rows each expert gets [E]: a smooth estimate in training (with k < E), else the count. Under a shared
   * batch of all ranks.
   */
  readonly load: Tensor;
  /** `auxiliaryWeight` · (CV²(Σ gates) + CV²(load)), a scalar; under a shared batch of all ranks, the same on each. */
  readonly auxiliaryLoss: Tensor;
}

export class NoisyTopK extends nn.Module {
  readonly numExperts: number;
  readonly k: number;
  readonly auxiliaryWeight: number;
  /** W_g [inFeatures, E] */
  readonly wGate: nn.Parameter;
  /** W_n [inFeatures, E], 0 at the start */
  readonly wNoise: nn.Parameter;

  /** @throws RangeError where k is not from 1 to the number of experts */
  constructor({ inFeatures, numExperts, k, auxiliaryWeight = 1e-2, start = 'published' }: NoisyTopKOptions) {
    super();
    if (!(Number.isInteger(numExperts) && numExperts >= 1))
      throw new RangeError(`the number of experts must be a whole number of at least 1, got ${numExperts}`);
    if (!(Number.isInteger(k) && k >= 1 && k <= numExperts))
      throw new RangeError(`k must be a whole number from 1 to the ${numExperts} experts, got ${k}`);
    this.numExperts = numExperts;
    this.k = k;
    this.auxiliaryWeight = auxiliaryWeight;
    this.wGate = new nn.Parameter(zeros([inFeatures, numExperts]));
    this.wNoise = new nn.Parameter(zeros([inFeatures, numExperts]));
    if (start === 'normal') nn.init.normal_(this.wGate, 0, normalStart);
  }

  /**
   * Under a shared batch, in training, every rank has to come here.
   *
   * @param input [rows, inFeatures]
   * @param noise ε ~ N(0, 1) [rows, E]; drawn from the default generator in training, none in evaluation. Under a
   *   shared batch the rows of all ranks are drawn on each
   * @param isWhole whether all ranks have the same rows under a shared batch, instead of a part each. @default false
   */
  forward(input: Tensor, noise?: Tensor | null, isWhole = false): Gating {
    const shared = !isWhole && this.training ? sharedBatch() : null;
    const group = shared?.group ?? null;
    return this.decide(input, noise === undefined ? this.drawNoise(input, group) : noise, group);
  }

  countMacs(rows: number): number {
    return rows * this.wGate.numel;
  }

  /** @param group those that have the other rows; null where there are none */
  private decide(input: Tensor, noise: Tensor | null, group: ProcessGroup | null): Gating {
    const { numExperts, k, auxiliaryWeight } = this;
    // One product for both, as the input is read but once.
    const product = ops.matmul(input, noise ? ops.cat([this.wGate, this.wNoise], { dim: 1 }) : this.wGate);
    const clean = product.narrow(1, 0, numExperts);
    const deviation = noise && ops.softplus(product.narrow(1, numExperts, numExperts)).add(1e-2);
    const logits = noise && deviation ? clean.add(noise.mul(deviation)) : clean;
    // A stable sort gives equal logits to the lower expert on every run; topk promises no order.
    const [sorted, order] = logits.sort({ dim: 1, descending: true, stable: true });
    const experts = order.narrow(1, 0, k);
    const weights = ops.softmax(sorted.narrow(1, 0, k), 1);
    const gates = ops.scatter(ops.zerosLike(logits), 1, experts, weights);
    const ownLoad =
      deviation && k < numExperts
        ? smoothLoad({
            clean,
            deviation,
            logits,
            lowestIn: sorted.narrow(1, k - 1, 1),
            highestOut: sorted.narrow(1, k, 1),
          })
        : gates.gt(0).to(gates.dtype).sum([0]);
    const own = ops.stack([gates.sum([0]), ownLoad]);
    const sums = group ? sumOverRanks(group, own) : own;
    const load = sums.select(0, 1);
    // The sums over rows count as one row of gates.
    const loss = auxiliaryLoss(sums.narrow(0, 0, 1), load, auxiliaryWeight);
    return { gates, experts, weights, load, auxiliaryLoss: loss };
  }

  private drawNoise({ shape: [rows = 0], dtype, device }: Tensor, group: ProcessGroup | null): Tensor | null {
    if (!this.training) return null;
    const { total, start } = group ? rowsOfAll(group, rows) : { total: rows, start: 0 };
    return randn([total, this.numExperts], { dtype, device }).narrow(0, start, rows);
  }
}

interface LoadInputs {
  readonly clean: Tensor;
  readonly deviation: Tensor;
  readonly logits: Tensor;
  /** [rows, 1]: the k-th largest logit */
  readonly lowestIn: Tensor;
  /** [rows, 1]: the one after it */
  readonly highestOut: Tensor;
}

/**
 * Σ over rows of the probability that an expert is among the top k when its own noise is drawn again (Shazeer, appendix
 * A).
 */
function smoothLoad({ clean, deviation, logits, lowestIn, highestOut }: LoadInputs): Tensor {
  const bound = ops.where(logits.gt(highestOut), highestOut, lowestIn);
  return normalCdf(clean.sub(bound).div(deviation)).sum([0]);
}

function normalCdf(z: Tensor): Tensor {
  return z.mul(Math.SQRT1_2).erf().add(1).mul(0.5);
}

/**
 * w · (CV²(v) + CV²(load)), v the sum of an expert's gates.
 *
 * @param gates [rows, E]
 * @param load [E]
 */
export function auxiliaryLoss(gates: Tensor, load: Tensor, weight: number): Tensor {
  return squaredVariation(gates.sum([0]))
    .add(squaredVariation(load))
    .mul(weight);
}

/** CV² = var / (mean² + 1e-10), 0 for a single number. */
function squaredVariation(values: Tensor): Tensor {
  if (values.numel < 2) return values.mul(0).sum();
  return values.var([0]).div(values.mean([0]).square().add(1e-10));
}
