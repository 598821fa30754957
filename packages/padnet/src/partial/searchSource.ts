/**
 * A partial layer while its mask is searched (method.md §3): any entry may become static or return in the next round,
 * and ∂L/∂M needs the bank and the static weight whole. Until then every entry is dynamic, and the layer is trained as
 * a bank; `toPartial` gives what is trained afterwards.
 */
import { fromTypedArray, nn, noGrad, scope, zeros, type Tensor } from '@padnet/torch';
import type { EffectiveParameter, Source } from '../dynamic/index.js';
import { Mask, unpackBits } from './mask.js';
import { partialTerms } from './partialParameter.js';
import { assertShapes, PartialSource } from './partialSource.js';
import { scaleFactors, type ScaleMode } from './scaleFactors.js';
import { VersionCache } from './versionCache.js';

export interface SearchSourceOptions {
  /** Θ [K, …shape]; its memory is shared. */
  readonly bank: Tensor;
  /** Θ_s […shape]; its memory is shared. */
  readonly staticWeight: Tensor;
  /** @default every entry dynamic */
  readonly mask?: Mask;
  /** @default 'both' */
  readonly scaleMode?: ScaleMode;
}

export class SearchSource extends nn.Module implements Source, Disposable {
  readonly kind = 'searched';
  readonly scaleMode: ScaleMode;
  /** Θ [K, …shape] */
  readonly bank: nn.Parameter;
  /** Θ_s […shape], what static entries start from: not trained before it is used. */
  readonly staticWeight: nn.Buffer;
  /** φ, a scalar; null in mode `none`. */
  readonly phi: nn.Parameter | null;
  /** The mask's bits (see `Mask.bits`). */
  readonly maskBits: nn.Buffer;
  readonly #mask = new VersionCache<Tensor>();
  readonly #isFull = new VersionCache<boolean>();
  /** The tensor that gradients are computed for meanwhile. */
  #variable: { readonly of: 'mask' | 'bank'; readonly tensor: Tensor } | null = null;

  /** @throws RangeError where bank, static weight and mask differ in shape */
  constructor({ bank, staticWeight, mask, scaleMode = 'both' }: SearchSourceOptions) {
    super();
    const shape = staticWeight.shape;
    assertShapes(bank, shape, mask);
    this.scaleMode = scaleMode;
    this.bank = new nn.Parameter(bank);
    this.staticWeight = new nn.Buffer(staticWeight);
    const { device, dtype } = bank;
    [this.phi, this.maskBits] = scope(() => [
      scaleMode === 'none' ? null : new nn.Parameter(zeros([], { dtype, device })),
      new nn.Buffer(fromTypedArray((mask ?? Mask.full(shape)).bits).to(device)),
    ]);
  }

  get shape(): readonly number[] {
    return this.staticWeight.shape;
  }

  /** K */
  get numKernels(): number {
    return this.bank.shape[0]!;
  }

  get dynamicRatio(): number {
    return this.mask.dynamicRatio;
  }

  get mask(): Mask {
    return Mask.fromBits(this.shape, this.maskBits.toTypedArray() as Uint8Array);
  }

  /** @throws RangeError where the mask has another shape than a bank entry */
  set mask(mask: Mask) {
    assertShapes(this.bank, this.shape, mask);
    scope(() => noGrad(() => this.maskBits.copy_(fromTypedArray(mask.bits))));
  }

  /**
   * Runs `body` with the mask as a float tensor that gradients are computed for: ∂L/∂M is the saliency of method.md §3.
   */
  withMaskVariable<T>(body: (mask: Tensor) => T): T {
    return this.withVariable('mask', () => this.maskTensor().to(this.bank.dtype).clone(), body);
  }

  /**
   * Runs `body` with the bank in use, Φ = M ⊙ Θ [K, …shape], as a tensor that gradients are computed for, static
   * entries included: ∂L/∂Φ says what they would add to the static weight.
   */
  withBankVariable<T>(body: (bank: Tensor) => T): T {
    return this.withVariable('bank', () => this.bank.mul(this.maskTensor()), body);
  }

  /** Whether `withMaskVariable` or `withBankVariable` is running. */
  get isScored(): boolean {
    return this.#variable !== null;
  }

  /**
   * Puts the mean kernel into the static weight, Θ_s ← (λ_d / λ_s) · θ̄: applying a mask then leaves the output nearly
   * as it was (method.md §3).
   *
   * @param kernel θ̄ […shape], without λ_d. @default mean_k Θ_k, of coefficients that are near uniform and sum to 1
   */
  meanIntoStatic(kernel?: Tensor): void {
    scope(() => {
      noGrad(() => {
        const factors = scaleFactors(this.phi, this.scaleMode);
        let mean = kernel ?? this.bank.mean([0]);
        if (factors.dynamic) mean = mean.mul(factors.dynamic);
        if (factors.static) mean = mean.div(factors.static);
        this.staticWeight.copy_(mean);
      });
    });
  }

  /** The same layer with `mask` for good: copies of the numbers in use. */
  toPartial(mask: Mask): PartialSource {
    const { bank, staticWeight, phi, scaleMode } = this;
    return new PartialSource({ bank, staticWeight, mask, phi, scaleMode }).train(this.training);
  }

  /** λ_d is left to the coefficients; a static part that is added to the bank is divided by it. */
  effective(sumsToOne: boolean): EffectiveParameter {
    const { bank, staticWeight } = this;
    const factors = scaleFactors(this.phi, this.scaleMode);
    const variable = this.#variable;
    if (!variable && this.#isFull.get([this.maskBits], () => this.dynamicRatio === 1))
      return { bank, scale: factors.dynamic, constant: null };
    const mask = variable?.of === 'mask' ? variable.tensor : this.maskTensor();
    const inUse = variable?.of === 'bank' ? variable.tensor : bank.mul(mask);
    return partialTerms({ bank: inUse, staticWeight, mask, factors }, sumsToOne);
  }

  compact(): null {
    return null;
  }

  /** The mask as a bool tensor, unpacked again only when the bits have changed; it belongs to this source. */
  maskTensor(): Tensor {
    return this.#mask.get([this.maskBits], () => noGrad(() => unpackBits(this.maskBits, this.shape)));
  }

  /** Frees all of it: what replaces it has copies. */
  [Symbol.dispose](): void {
    for (const tensor of this.stateDict().values()) tensor[Symbol.dispose]();
    this.#mask.forget();
  }

  private withVariable<T>(of: 'mask' | 'bank', make: () => Tensor, body: (variable: Tensor) => T): T {
    const tensor = noGrad(make);
    tensor.requiresGrad = true;
    this.#variable = { of, tensor };
    try {
      return body(tensor);
    } finally {
      this.#variable = null;
    }
  }
}
