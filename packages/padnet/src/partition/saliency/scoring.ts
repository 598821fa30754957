/**
 * The common parts of scores: sums over the batches of the partition set, and variables that gradients are computed
 * for.
 */
import { setImmediate } from 'node:timers/promises';
import { noGrad, ops, scope, zeros, type nn, type Tensor } from '@padnet/torch';
import { Mask, type SearchSource } from '../../partial/index.js';
import type { Ranks } from '../../ranks.js';

/** The material that a score of entries is computed from. */
export interface ScoringContext {
  /** In evaluation mode. */
  readonly network: nn.Module;
  /** The layers that are searched, by path, with the current masks applied. */
  readonly sources: ReadonlyMap<string, SearchSource>;
  /** The loss of each batch of the partition set, computed anew at every call. */
  readonly batchLosses: readonly (() => Tensor)[];
  /** [channels, height, width] of an input; null where an input is more than a tensor, such as a sentence. */
  readonly sampleShape: readonly number[] | null;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
  /** Those that share the batches; a score that does not know of them computes with all of them on each. */
  readonly ranks?: Ranks | undefined;
}

/**
 * Calls `use` in a scope of its own for each batch; the event loop runs between two. Ranks take turns: what is summed
 * up is then to be summed over them.
 *
 * @throws where the signal is aborted, between two batches
 */
export async function forEachBatch(
  { batchLosses, signal, ranks }: Pick<ScoringContext, 'batchLosses' | 'signal' | 'ranks'>,
  use: (batchLoss: () => Tensor) => void,
): Promise<void> {
  const { rank = 0, size = 1 } = ranks ?? {};
  for (let turn = 0; turn < batchLosses.length; turn += size) {
    await setImmediate();
    ranks?.agree();
    signal?.throwIfAborted();
    const batchLoss = batchLosses[turn + rank];
    if (batchLoss)
      scope(() => {
        use(batchLoss);
      });
  }
}

/**
 * Σ over the batches of a tensor for each layer, by path; the caller frees them.
 *
 * @param shapeOf what each layer's tensor is like
 * @param compute of a batch's loss: the tensors in the order of the layers
 * @throws where the signal is aborted, between two batches
 */
export async function sumOverBatches(
  { sources, batchLosses, signal, ranks }: Pick<ScoringContext, 'sources' | 'batchLosses' | 'signal' | 'ranks'>,
  shapeOf: (source: SearchSource) => readonly number[],
  compute: (batchLoss: () => Tensor) => Tensor[],
): Promise<Map<string, Tensor>> {
  const totals = new Map<string, Tensor>();
  for (const [path, source] of sources) {
    const { dtype, device } = source.bank;
    totals.set(path, zeros(shapeOf(source), { dtype, device }).keep());
  }
  try {
    await forEachBatch({ batchLosses, signal, ranks }, (batchLoss) => {
      const terms = compute(batchLoss);
      noGrad(() => {
        ops._foreachAdd_([...totals.values()], terms);
      });
    });
    for (const total of totals.values()) ranks?.group.allReduce(total).wait();
  } catch (error) {
    for (const total of totals.values()) total[Symbol.dispose]();
    throw error;
  }
  return totals;
}

/** A score of each layer by itself; the caller frees them. */
export function scoreEach(
  sources: ReadonlyMap<string, SearchSource>,
  score: (source: SearchSource, path: string) => Tensor,
): Map<string, Tensor> {
  return new Map(
    Array.from(sources, ([path, source]) => [path, scope(() => noGrad(() => score(source, path))).keep()]),
  );
}

/** A score of each layer from its total over the batches; frees the totals. */
export function scoreTotals(
  totals: ReadonlyMap<string, Tensor>,
  sources: ReadonlyMap<string, SearchSource>,
  score: (total: Tensor, source: SearchSource) => Tensor,
): Map<string, Tensor> {
  try {
    return scoreEach(sources, (source, path) => score(totals.get(path)!, source));
  } finally {
    for (const total of totals.values()) total[Symbol.dispose]();
  }
}

/** Runs `body` with every entry static; the masks are as before when it ends. */
export async function whileStatic<T>(sources: ReadonlyMap<string, SearchSource>, body: () => Promise<T>): Promise<T> {
  const before = Array.from(sources.values(), (source) => [source, source.mask] as const);
  for (const [source] of before) source.mask = Mask.empty(source.shape);
  try {
    return await body();
  } finally {
    for (const [source, mask] of before) source.mask = mask;
  }
}

/** What each kernel has [K, …shape] over its use p [K], 0 for kernels that are never used. */
export function byUse(values: Tensor, use: Tensor): Tensor {
  return values.div(ofKernels(ops.where(use.gt(0), use, ops.onesLike(use)), values));
}

/** Σ_k p_k (v_k − Σ_l p_l v_l)²: v [K, …shape], p [K] that sum to 1 → […shape]. Of values that are the same, 0. */
export function varianceByUse(values: Tensor, use: Tensor): Tensor {
  const weights = ofKernels(use, values);
  const differences = values.sub(values.narrow(0, 0, 1));
  const mean = differences.mul(weights).sum([0]);
  return differences.sub(mean).square().mul(weights).sum([0]);
}

function ofKernels(use: Tensor, values: Tensor): Tensor {
  return use.to(values.dtype).reshape([-1, ...values.shape.slice(1).map(() => 1)]);
}

/** Runs `body` with the masks of all layers as variables, in order: see `SearchSource.withMaskVariable`. */
export function withMaskVariables<T>(
  sources: ReadonlyMap<string, SearchSource>,
  body: (masks: readonly Tensor[]) => T,
): T {
  return nested([...sources.values()], (source, inner: (mask: Tensor) => T) => source.withMaskVariable(inner), body);
}

/** Runs `body` with the banks of all layers as variables, in order: see `SearchSource.withBankVariable`. */
export function withBankVariables<T>(
  sources: ReadonlyMap<string, SearchSource>,
  body: (banks: readonly Tensor[]) => T,
): T {
  return nested([...sources.values()], (source, inner: (bank: Tensor) => T) => source.withBankVariable(inner), body);
}

/** Σ_k Θ_k ⊙ G_k for each layer: [K, …shape] → […shape]. */
export function timesBank(sources: ReadonlyMap<string, SearchSource>, gradients: readonly Tensor[]): Tensor[] {
  return noGrad(() => Array.from(sources.values(), ({ bank }, index) => bank.mul(gradients[index]!).sum([0])));
}

function nested<T>(
  [first, ...rest]: readonly SearchSource[],
  withVariable: (source: SearchSource, inner: (variable: Tensor) => T) => T,
  body: (variables: readonly Tensor[]) => T,
): T {
  if (!first) return body([]);
  return withVariable(first, (variable) => nested(rest, withVariable, (others) => body([variable, ...others])));
}
