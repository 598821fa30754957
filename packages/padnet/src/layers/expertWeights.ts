/**
 * The experts' weights as they are computed with, one at a time, and where their gradients go. Entries of a bank that a mask
 * makes static are never used.
 */
import { ops, type Tensor } from '@padnet/torch';

export interface ExpertWeights {
  /** The weight of one expert; the next call may overwrite it. */
  weight(expert: number): Tensor;
  /**
   * Writes ∂L/∂W_i.
   *
   * @param gradient [out, in], of one expert's whole bank entry
   * @param outputs ∂L/∂y of the expert's tokens [tokens, out]
   * @param inputs the tokens [tokens, in]; one of both times their weights
   * @param sum of ∂L/∂W_i over the experts, static entries included [out, in]: added to, where the weights have static entries
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

/** Some rows (dimension 0) or columns (1) of each expert. */
export class ExpertLines implements ExpertWeights {
  readonly #work: Tensor;

  /**
   * @param bank [E, out, in]
   * @param lines int64, ascending
   */
  constructor(
    private readonly bank: Tensor,
    private readonly dimension: 0 | 1,
    private readonly lines: Tensor,
  ) {
    const [, outFeatures = 0, inFeatures = 0] = bank.shape;
    const { numel } = lines;
    this.#work = bank.newEmpty(dimension === 0 ? [numel, inFeatures] : [outFeatures, numel]);
  }

  weight(expert: number): Tensor {
    return ops.indexSelect(this.bank.select(0, expert), this.dimension, this.lines, { out: this.#work });
  }

  writeGradient(gradient: Tensor, outputs: Tensor, inputs: Tensor): void {
    gradient.zero_().indexCopy_(this.dimension, this.lines, ops.mm(outputs.t(), inputs, { out: this.#work }));
  }
}

/** The entries under a mask from the expert, the others from the static weight: M ⊙ W_i + (1 − M) ⊙ staticScale · W_s. */
export class MergedExperts implements ExpertWeights {
  readonly #mask: Tensor;
  readonly #outside: Tensor;
  readonly #work: Tensor;

  /**
   * @param bank [E, out, in]
   * @param mask bool [out, in]
   * @param staticWeight W_s [out, in]
   * @param staticScale a scalar; null for 1
   */
  constructor(
    private readonly bank: Tensor,
    mask: Tensor,
    private readonly staticWeight: Tensor,
    private readonly staticScale: Tensor | null,
  ) {
    // Products with a mask of floats take a sixth of the time of `where` with one of booleans, which bytes become in a third.
    this.#mask = mask.view('uint8').to(bank.dtype);
    const scaled = staticScale ? staticWeight.mul(staticScale) : staticWeight.clone();
    this.#outside = this.keepOutside(scaled);
    this.#work = ops.emptyLike(scaled);
  }

  weight(expert: number): Tensor {
    return ops.addcmul(this.#outside, this.bank.select(0, expert), this.#mask, { out: this.#work });
  }

  writeGradient(gradient: Tensor, outputs: Tensor, inputs: Tensor, sum: Tensor | null): void {
    ops.mm(outputs.t(), inputs, { out: gradient });
    sum?.add_(gradient);
    gradient.mul_(this.#mask);
  }

  /** ∂L/∂W_s and ∂L/∂staticScale from the sum over all experts, which is overwritten. */
  staticGradients(sum: Tensor): { readonly weight: Tensor; readonly scale: Tensor | null } {
    const outside = this.keepOutside(sum);
    if (!this.staticScale) return { weight: outside, scale: null };
    const scale = ops.dot(outside.reshape([-1]), this.staticWeight.reshape([-1]));
    return { weight: outside.mul_(this.staticScale), scale };
  }

  private keepOutside(weight: Tensor): Tensor {
    return weight.addcmul_(weight, this.#mask, { value: -1 });
  }
}
