/**
 * Scores of how much each entry needs to be dynamic (method.md §3). A score of one's own is an object with a name and a
 * function: see `examples/ownSaliency.ts`.
 */
import { setImmediate } from 'node:timers/promises';
import { Generator, grad, noGrad, ops, scope, zeros, type nn, type Tensor } from '@padnet/torch';
import type { SearchSource } from '../partial/index.js';

export interface ScoringContext {
  readonly network: nn.Module;
  /** The layers that are searched, by path, with the current masks applied. */
  readonly sources: ReadonlyMap<string, SearchSource>;
  /** The loss of each batch of the partition set, computed anew at every call. */
  readonly batchLosses: readonly (() => Tensor)[];
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Saliency {
  readonly name: string;
  /** Signed scores of every layer's entries, of the shape of one bank entry; the caller frees them. */
  score(context: ScoringContext): Promise<Map<string, Tensor>>;
}

/** The paper's score: ∂L/∂M at the current mask, summed over the batches. */
export const maskGradient: Saliency = {
  name: 'maskGradient',
  async score({ sources, batchLosses, signal }) {
    const totals = new Map<string, Tensor>();
    for (const [path, source] of sources) {
      totals.set(path, zeros(source.shape, { dtype: source.bank.dtype, device: source.bank.device }).keep());
    }
    try {
      for (const batchLoss of batchLosses) {
        await setImmediate(); // the event loop runs between batches
        signal?.throwIfAborted();
        scope(() => {
          const gradients = withMaskVariables([...sources.values()], [], (masks) => grad(batchLoss(), masks));
          noGrad(() => {
            ops._foreachAdd_([...totals.values()], gradients);
          });
        });
      }
    } catch (error) {
      for (const total of totals.values()) total[Symbol.dispose]();
      throw error;
    }
    return totals;
  },
};

function withMaskVariables<T>(sources: readonly SearchSource[], masks: Tensor[], body: (masks: Tensor[]) => T): T {
  const [first, ...rest] = sources;
  if (!first) return body(masks);
  return first.withMaskVariable((mask) => withMaskVariables(rest, [...masks, mask], body));
}

/** For comparison: uniform random numbers, the same for the same seed. */
export const random: Saliency = {
  name: 'random',
  score({ sources, seed }) {
    const generator = new Generator(seed);
    return Promise.resolve(
      scoreEach(sources, ({ bank, shape }) => ops.rand(shape, { generator, dtype: bank.dtype, device: bank.device })),
    );
  },
};

/** For comparison: |Θ|, mean over the bank. */
export const magnitude: Saliency = {
  name: 'magnitude',
  score({ sources }) {
    return Promise.resolve(scoreEach(sources, ({ bank }) => bank.abs().mean([0])));
  },
};

function scoreEach(
  sources: ReadonlyMap<string, SearchSource>,
  score: (source: SearchSource) => Tensor,
): Map<string, Tensor> {
  return new Map(Array.from(sources, ([path, source]) => [path, scope(() => noGrad(() => score(source))).keep()]));
}

/** The scores that a recipe can name. */
export const saliencies = { maskGradient, random, magnitude } as const satisfies Record<string, Saliency>;
export type SaliencyName = keyof typeof saliencies;
