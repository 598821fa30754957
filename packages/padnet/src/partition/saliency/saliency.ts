/** What a score of entries is, and what it is computed from. One of one's own: see `examples/ownSaliency.ts`. */
import type { nn, Tensor } from '@padnet/torch';
import type { SearchSource } from '../../partial/index.js';

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
}

export interface Saliency {
  readonly name: string;
  /**
   * Whether negative scores are the lowest. @default false: a unit's score is the absolute value of the sum of its entries'
   */
  readonly isSigned?: boolean;
  /** Signed scores of every layer's entries, of the shape of one bank entry; the caller frees them. */
  score(context: ScoringContext): Promise<Map<string, Tensor>>;
}
