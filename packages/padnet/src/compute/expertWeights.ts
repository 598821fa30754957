/** The experts' weights as they are computed with, one at a time, and where their gradients go. */
import { ops, type Tensor } from '@padnet/torch';
import type { Entries } from '../partial/index.js';

export interface ExpertWeights {
  /** The weight of one expert; the next call may overwrite it. */
  weight(expert: number): Tensor;
  /**
   * Writes ∂L/∂W_i.
   *
   * @param gradient of one expert's bank entry
   * @param outputs ∂L/∂y of the expert's tokens [tokens, out]
   * @param inputs the tokens [tokens, in]; one of both times their weights
   * @param sum of ∂L/∂W_i over the experts, static entries included [n]: added to, where the weights have static
   *   entries
   */
  writeGradient(gradient: Tensor, outputs: Tensor, inputs: Tensor, sum: Tensor | null): void;
}

/** Every entry: W_i. */
export class WholeExperts implements ExpertWeights {
  /** @param bank [E, out, in] */
  constructor(private readonly bank: Tensor) {}

  weight(expert: number): Tensor {
    return this.bank.select(0, expert);
  }

  writeGradient(gradient: Tensor, outputs: Tensor, inputs: Tensor): void {
    ops.mm(outputs.t(), inputs, { out: gradient });
  }
}

/**
 * The entries of a mask from the expert, the others from the static weight times `staticScale` (see `PartialSource`).
 */
export class MergedExperts implements ExpertWeights {
  /** [n]: static entries stay, those of an expert are written over those of the one before. */
  readonly #merged: Tensor;
  readonly #gradient: Tensor;
  readonly #inFeatures: number;

  /**
   * @param bank [E, d]
   * @param entries where the numbers of bank and static weight stand in a weight [out, in]
   * @param staticWeight [n − d]
   * @param staticScale a scalar; null for 1
   */
  constructor(
    private readonly bank: Tensor,
    private readonly entries: Entries,
    private readonly staticWeight: Tensor,
    private readonly staticScale: Tensor | null,
    inFeatures: number,
  ) {
    const scaled = staticScale ? staticWeight.mul(staticScale) : staticWeight;
    const size = entries.dynamic.numel + entries.static.numel;
    this.#merged = bank.newEmpty([size]).scatter_(0, entries.static, scaled);
    this.#gradient = bank.newEmpty([size]);
    this.#inFeatures = inFeatures;
  }

  weight(expert: number): Tensor {
    this.#merged.scatter_(0, this.entries.dynamic, this.bank.select(0, expert));
    return this.#merged.reshape([-1, this.#inFeatures]);
  }

  writeGradient(gradient: Tensor, outputs: Tensor, inputs: Tensor, sum: Tensor | null): void {
    ops.mm(outputs.t(), inputs, { out: this.#gradient.reshape([-1, this.#inFeatures]) });
    sum?.add_(this.#gradient);
    ops.gather(this.#gradient, 0, this.entries.dynamic, { out: gradient });
  }

  /** ∂L/∂staticWeight and ∂L/∂staticScale from the sum over all experts. */
  staticGradients(sum: Tensor): { readonly weight: Tensor; readonly scale: Tensor | null } {
    const gradient = sum.gather(0, this.entries.static);
    if (!this.staticScale) return { weight: gradient, scale: null };
    const scale = ops.dot(gradient, this.staticWeight);
    return { weight: gradient.mul_(this.staticScale), scale };
  }
}
