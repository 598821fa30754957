/**
 * 0 < κ < 1: the entries under the mask come from the bank, the others from one static tensor (method.md §2):
 *
 *     θ(x) = λ_d · M ⊙ Σ_k α_k(x) Θ_k + λ_s · (1 − M) ⊙ Θ_s
 */
import { fromTypedArray, isGradEnabled, nn, noGrad, ops, scope, zeros, type Tensor } from '@padnet/torch';
import type { EffectiveParameter, ParameterSource } from '../dynamic/index.js';
import { Mask, unpackBits } from './mask.js';
import { scaleFactors, type ScaleFactors, type ScaleMode } from './scaleFactors.js';

export interface PartialSourceOptions {
  /** Θ [K, …shape]; its memory is shared. */
  readonly bank: Tensor;
  /** Θ_s […shape]; its memory is shared. */
  readonly staticWeight: Tensor;
  /** @default every entry dynamic */
  readonly mask?: Mask;
  /** @default 'both' */
  readonly scaleMode?: ScaleMode;
}

export class PartialSource extends nn.Module implements ParameterSource {
  readonly kind = 'partial';
  readonly scaleMode: ScaleMode;
  /** Θ [K, …shape]; only entries under the mask are used. */
  readonly bank: nn.Parameter;
  /** Θ_s […shape]; only entries outside the mask are used. */
  readonly staticWeight: nn.Parameter;
  /** φ, a scalar; null in mode `none`. */
  readonly phi: nn.Parameter | null;
  /** The mask's bits (see `Mask.bits`), saved with the weights. */
  readonly maskBits: nn.Buffer;
  readonly #cache = new Map<'mask' | 'effective', { readonly versions: string; readonly tensors: readonly Tensor[] }>();
  #maskVariable: Tensor | null = null;

  constructor({ bank, staticWeight, mask, scaleMode = 'both' }: PartialSourceOptions) {
    super();
    const shape = staticWeight.shape;
    if (bank.shape.slice(1).join() !== shape.join()) {
      throw new RangeError(
        `bank entries [${bank.shape.slice(1).join(', ')}] and static weight [${shape.join(', ')}] differ`,
      );
    }
    this.scaleMode = scaleMode;
    this.bank = new nn.Parameter(bank);
    this.staticWeight = new nn.Parameter(staticWeight);
    this.phi = scaleMode === 'none' ? null : new nn.Parameter(zeros([], { dtype: bank.dtype }));
    this.maskBits = new nn.Buffer(fromTypedArray(Mask.full(shape).bits));
    if (mask) this.mask = mask;
  }

  get shape(): readonly number[] {
    return this.staticWeight.shape;
  }

  get dynamicRatio(): number {
    return this.mask.dynamicRatio;
  }

  get mask(): Mask {
    return Mask.fromBits(this.shape, this.maskBits.toTypedArray() as Uint8Array);
  }

  /** @throws RangeError where the mask has another shape than a bank entry */
  set mask(mask: Mask) {
    if (mask.shape.join() !== this.shape.join()) {
      throw new RangeError(
        `mask shape [${mask.shape.join(', ')}] does not match bank entry [${this.shape.join(', ')}]`,
      );
    }
    scope(() => noGrad(() => this.maskBits.copy_(fromTypedArray(mask.bits))));
  }

  /**
   * Runs `body` with the mask as a float tensor that gradients are computed for: ∂L/∂M is the saliency of method.md §3.
   */
  withMaskVariable<T>(body: (mask: Tensor) => T): T {
    const variable = noGrad(() => this.maskTensor().to(this.bank.dtype).clone());
    variable.requiresGrad = true;
    this.#maskVariable = variable;
    try {
      return body(variable);
    } finally {
      this.#maskVariable = null;
    }
  }

  /**
   * Folds the bank's mean into the static weight, Θ_s ← (λ_d / λ_s) · mean_k Θ_k: while the coefficients are near uniform,
   * applying a mask then leaves the output nearly as it was (method.md §6).
   */
  foldMean(): void {
    scope(() => {
      noGrad(() => {
        const { dynamic, static: fixed } = scaleFactors(this.phi, this.scaleMode);
        let mean = this.bank.mean([0]);
        if (dynamic) mean = mean.mul(dynamic);
        if (fixed) mean = mean.div(fixed);
        this.staticWeight.copy_(mean);
      });
    });
  }

  effective(sumsToOne: boolean): EffectiveParameter {
    const factors = scaleFactors(this.phi, this.scaleMode);
    if (this.training || isGradEnabled() || this.#maskVariable) return this.compute(sumsToOne, factors);
    const inputs = [this.bank, this.staticWeight, this.maskBits, ...(this.phi ? [this.phi] : [])];
    const [bank = null, constant = null] = this.cached('effective', inputs, `${sumsToOne}`, () => {
      const made = this.compute(sumsToOne, factors);
      return [made.bank, made.constant].filter((tensor) => tensor !== null);
    });
    return { bank, scale: factors.dynamic, constant };
  }

  /** λ_d is left to the coefficients; a static part folded into the bank is divided by it. */
  private compute(sumsToOne: boolean, { dynamic, static: fixed }: ScaleFactors): EffectiveParameter {
    const { bank } = this;
    let constant: Tensor = fixed ? this.staticWeight.mul(fixed) : this.staticWeight;
    if (sumsToOne && dynamic) constant = constant.div(dynamic);
    if (this.#maskVariable) {
      const mask = this.#maskVariable;
      const inside = bank.mul(mask);
      const outside = mask.neg().add(1).mul(constant);
      return sumsToOne
        ? { bank: inside.add(outside), scale: dynamic, constant: null }
        : { bank: inside, scale: dynamic, constant: outside };
    }
    const mask = this.maskTensor();
    if (sumsToOne) return { bank: ops.where(mask, bank, constant), scale: dynamic, constant: null };
    return { bank: bank.mul(mask), scale: dynamic, constant: constant.mul(mask.logicalNot()) };
  }

  /** Whether `withMaskVariable` is running. */
  get isScored(): boolean {
    return this.#maskVariable !== null;
  }

  /** The mask as a bool tensor, unpacked again only when the bits have changed; it belongs to this source. */
  maskTensor(): Tensor {
    if (this.training) this.forget('effective'); // as large as the bank, and of no use once that is trained
    return this.cached('mask', [this.maskBits], '', () => [noGrad(() => unpackBits(this.maskBits, this.shape))])[0]!;
  }

  private cached(
    key: 'mask' | 'effective',
    inputs: readonly Tensor[],
    variant: string,
    make: () => Tensor[],
  ): readonly Tensor[] {
    // A handle is never given twice; a tensor that moved to another dtype or device counts its versions anew.
    const versions = `${variant} ${inputs.map(({ handle, version }) => `${handle} ${version}`).join()}`;
    const found = this.#cache.get(key);
    if (found?.versions === versions) return found.tensors;
    this.forget(key);
    const tensors = scope(make).map((tensor) => tensor.keep());
    this.#cache.set(key, { versions, tensors });
    return tensors;
  }

  private forget(key: 'mask' | 'effective'): void {
    for (const tensor of this.#cache.get(key)?.tensors ?? []) tensor[Symbol.dispose]();
    this.#cache.delete(key);
  }
}
