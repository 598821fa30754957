/**
 * The gradients of all ranks, summed while backward goes on: flat buckets of a few megabytes, filled as backward
 * reaches each parameter and reduced as soon as they are full (Li et al. 2020, arXiv 2006.15704). A parameter that this
 * rank has not used counts as zeros; one that no rank has used keeps none.
 */
import type { Tensor } from '../tensor.js';
import { uncloneable } from '../uncloneable.js';
import * as operators from './operators.generated.js';
import { ownReason, type ProcessGroup } from './processGroup.js';

export class GradientBuckets {
  readonly #handle: number;
  /** @internal */
  protected readonly uncloneable = uncloneable;

  /**
   * @param parameters in the same order on every rank; those that backward reaches last come first
   * @param bytes of a bucket: larger ones start later, smaller ones cost more calls. @default 4 MB
   */
  constructor(group: ProcessGroup, parameters: readonly Tensor[], bytes = 4e6) {
    this.#handle = ownReason(() => operators.makeBuckets(group.handle, parameters, bytes));
  }

  /** The next backward fills the buckets. */
  start(): void {
    operators.startBuckets(this.#handle);
  }

  /**
   * Makes the gradient of each parameter the sum over the ranks: the same bits everywhere.
   *
   * @returns the seconds that it has waited @throws Error where a rank is lost
   */
  finish(): number {
    return ownReason(() => operators.finishBuckets(this.#handle));
  }

  [Symbol.dispose](): void {
    operators.releaseBuckets(this.#handle);
  }
}
