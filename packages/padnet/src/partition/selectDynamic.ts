/** From scores to masks: which units stay dynamic (method.md §3). */
import { fromTypedArray, ops, scope, type Tensor } from '@padnet/torch';

export const partitionScopes = ['global', 'local'] as const;

/** One threshold for all layers, or one a layer. */
export type PartitionScope = (typeof partitionScopes)[number];

export interface LayerScores {
  /** Saliency of each unit [units]. */
  readonly scores: Tensor;
  /** Entries in each unit; by unit where they differ. */
  readonly unitSize: number | Int32Array;
}

/**
 * The units with the lowest scores become static, as many as fit in ⌊(1 − ratio)·n⌋ entries; units whose score equals
 * the highest of those become static too. At unit size 1 that is the paper's rule.
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
  const entries = layers.reduce((sum, layer) => sum + numLayerEntries(layer), 0);
  const target = Math.floor((1 - ratio) * entries);
  const scores = ops.cat(layers.map((layer) => layer.scores));
  const unitSize = layers[0]?.unitSize;
  if (typeof unitSize === 'number' && layers.every((layer) => layer.unitSize === unitSize)) {
    const rank = Math.floor(target / unitSize);
    return rank < 1 ? null : scores.kthvalue(rank)[0];
  }
  const sizes = ops.cat(layers.map(unitSizes));
  // Stable, so that of equal scores the first units count first on every run.
  const [sorted, order] = scores.sort({ stable: true });
  const staticUnits = sizes.indexSelect(0, order).cumsum(0).le(target).sum().item();
  return staticUnits < 1 ? null : sorted.select(0, staticUnits - 1);
}

export function numLayerEntries({ scores, unitSize }: LayerScores): number {
  return typeof unitSize === 'number' ? scores.numel * unitSize : unitSize.reduce((sum, size) => sum + size, 0);
}

/** Entries of each unit [units] */
export function unitSizes({ scores, unitSize }: LayerScores): Tensor {
  return typeof unitSize === 'number'
    ? ops.fullLike(scores, unitSize, { dtype: 'int64' })
    : fromTypedArray(unitSize).to('int64').to(scores.device);
}
