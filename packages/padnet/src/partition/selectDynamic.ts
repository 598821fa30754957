/** From scores to masks: which units stay dynamic (method.md §3). */
import { ops, scope, type Tensor } from '@padnet/torch';

export const partitionScopes = ['global', 'local'] as const;

/** One threshold for all layers, or one a layer. */
export type PartitionScope = (typeof partitionScopes)[number];

export interface LayerScores {
  /** Saliency of each unit [units], not negative. */
  readonly scores: Tensor;
  /** Entries in each unit. */
  readonly unitSize: number;
}

/**
 * The units with the lowest scores become static, as many as fit in ⌊(1 − ratio)·n⌋ entries; units whose score equals the
 * highest of those become static too. At unit size 1 that is the paper's rule.
 *
 * @returns for each layer, a bool tensor [units]: true stays dynamic
 */
export function selectDynamic(layers: readonly LayerScores[], ratio: number, partitionScope: PartitionScope): Tensor[] {
  return scope(() => {
    if (partitionScope === 'local') return layers.map((layer) => above(layer.scores, threshold([layer], ratio)));
    const shared = threshold(layers, ratio);
    return layers.map(({ scores }) => above(scores, shared));
  });
}

function above(scores: Tensor, limit: Tensor | null): Tensor {
  return limit === null ? ops.onesLike(scores, { dtype: 'bool' }) : scores.gt(limit);
}

/** The highest score that becomes static; null where nothing does. */
function threshold(layers: readonly LayerScores[], ratio: number): Tensor | null {
  const entries = layers.reduce((sum, { scores, unitSize }) => sum + scores.numel * unitSize, 0);
  const target = Math.floor((1 - ratio) * entries);
  const scores = ops.cat(layers.map((layer) => layer.scores));
  const [first] = layers;
  if (first && layers.every(({ unitSize }) => unitSize === first.unitSize)) {
    const rank = Math.floor(target / first.unitSize);
    return rank < 1 ? null : scores.kthvalue(rank)[0];
  }
  const sizes = ops.cat(layers.map((layer) => ops.fullLike(layer.scores, layer.unitSize, { dtype: 'int64' })));
  const [sorted, order] = scores.sort();
  const staticUnits = sizes.indexSelect(0, order).cumsum(0).le(target).sum().item();
  return staticUnits < 1 ? null : sorted.select(0, staticUnits - 1);
}
