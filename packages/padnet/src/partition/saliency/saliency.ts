/**
 * Saliency (PAD-Net §3.3; method.md §3): how far the loss moves when a unit U of entries changes its mode, to first
 * order, at the current mask and in evaluation mode; b are the batches of the partition set. The paper's units are
 * single entries.
 *
 *     s_U = |Σ_{j ∈ U} Σ_b ∂L_b / ∂M_j|,   divided by Σ_U s_U over all layers
 */
import { grad, noGrad, type Tensor } from '@padnet/torch';
import { InputError } from '../../errors.js';
import type { LayerScores } from '../selectDynamic.js';
import { sumOverBatches, withMaskVariables, type ScoringContext } from './scoring.js';

/** A score of entries. One of one's own: see `examples/ownSaliency.ts`. */
export interface Saliency {
  readonly name: string;
  /**
   * Whether negative scores are the lowest. @default false: a unit's score is the absolute value of the sum of its
   * entries'
   */
  readonly isSigned?: boolean;
  /** Signed scores of every layer's entries, of the shape of one bank entry; the caller frees them. */
  score(context: ScoringContext): Promise<Map<string, Tensor>>;
  /**
   * The scores that units are chosen by, instead of those that `unitSaliency` makes of their entries'.
   *
   * @param layers the latter [units], of each group that shares a threshold in scope `local`
   */
  ofUnits?(layers: readonly LayerScores[], round: ScoredRound): readonly Tensor[];
}

export interface ScoredRound {
  readonly seed: number;
  /** Whether the masks of this round stay. */
  readonly isLast: boolean;
}

/** The paper's score: Σ_b ∂L_b / ∂M_j. */
export const maskGradient: Saliency = {
  name: 'maskGradient',
  score: (context) =>
    sumOverBatches(
      context,
      ({ shape }) => shape,
      (batchLoss) => withMaskVariables(context.sources, (masks) => grad(batchLoss(), masks)),
    ),
};

/** s_U: |Σ_{j ∈ U} s_j| of each unit, or the sum where `isSigned`. @param sums of the entries of each unit [units] */
export function unitSaliency(sums: Tensor, { isSigned = false }: Pick<Saliency, 'isSigned'>): Tensor {
  return isSigned ? sums : sums.abs();
}

/**
 * Divided by the sum of absolute values over all layers.
 *
 * @param keep the ratio to choose by them; where it is 1, nothing is
 * @throws InputError where all are 0 and some are to be chosen
 */
export function normalised(scores: readonly Tensor[], name: string, keep: number): readonly Tensor[] {
  return noGrad(() => {
    const total = scores.reduce((sum, tensor) => sum + tensor.abs().sum({ dtype: 'float64' }).item(), 0);
    if (total > 0) return scores.map((tensor) => tensor.div(total));
    if (keep < 1)
      throw new InputError(
        `every score by ${name} is 0, so that no entry can be told from another; partition after some training, ` +
          'start the kernels or experts with noise, have two or more of them, or choose another score',
      );
    return scores;
  });
}
