/**
 * 0 ≤ κ ≤ 1: the entries under the mask come from the bank, the others from one static tensor (method.md §2):
 *
 *     θ(x) = λ_d · M ⊙ Σ_k α_k(x) Θ_k + λ_s · (1 − M) ⊙ Θ_s
 *
 * The mask stays as it is, so that only the numbers in use are held, trained and saved: (1 − κ)n + Kκn. `SearchSource`
 * is what a mask is searched with.
 */
import { fromTypedArray, isGradEnabled, nn, noGrad, ops, scope, zeros, type DType, type Tensor } from '@padnet/torch';
import type { CompactParameter, EffectiveParameter, Source } from '../dynamic/index.js';
import { Mask, unpackBits } from './mask.js';
import { numEntries } from './numEntries.js';
import { scaledStatic } from './partialParameter.js';
import { scaleFactors, type ScaleFactors, type ScaleMode } from './scaleFactors.js';
import { VersionCache } from './versionCache.js';

export interface PartialSourceOptions {
  /** Θ [K, …shape]; the entries under the mask are copied. */
  readonly bank: Tensor;
  /** Θ_s […shape]; the static entries are copied. */
  readonly staticWeight: Tensor;
  /** @default every entry dynamic */
  readonly mask?: Mask;
  /** @default 'both' */
  readonly scaleMode?: ScaleMode;
  /** φ, a scalar that is copied. @default 0 */
  readonly phi?: Tensor | null;
}

export interface EmptyPartialSourceOptions {
  readonly numKernels: number;
  readonly mask: Mask;
  /** @default 'both' */
  readonly scaleMode?: ScaleMode;
  /** @default 'float32' */
  readonly dtype?: DType;
}

/** Positions of entries in row-major order, ascending: int64. */
export interface Entries {
  /** [d] */
  readonly dynamic: Tensor;
  /** [n − d] */
  readonly static: Tensor;
}

export class PartialSource extends nn.Module implements Source {
  readonly kind = 'partial';
  /** The shape of one bank entry. */
  readonly shape: readonly number[];
  readonly scaleMode: ScaleMode;
  /** Θ [K, d]: the d dynamic entries of each bank entry, in row-major order. */
  readonly bank: nn.Parameter;
  /** Θ_s [n − d]: the static entries, in row-major order. */
  readonly staticWeight: nn.Parameter;
  /** φ, a scalar; null in mode `none`. */
  readonly phi: nn.Parameter | null;
  /** The mask's bits (see `Mask.bits`), saved with the weights. */
  readonly maskBits: nn.Buffer;
  readonly #mask = new VersionCache<Tensor>();
  readonly #entries = new VersionCache<Entries>();
  readonly #parts = new VersionCache<Pick<EffectiveParameter, 'bank' | 'constant'>>();

  /** @throws RangeError where bank, static weight and mask differ in shape */
  constructor({ bank, staticWeight, mask, scaleMode = 'both', phi = null }: PartialSourceOptions) {
    super();
    const shape = staticWeight.shape;
    assertShapes(bank, shape, mask);
    this.shape = shape;
    this.scaleMode = scaleMode;
    const { device, dtype } = bank;
    this.maskBits = scope(() => new nn.Buffer(fromTypedArray((mask ?? Mask.full(shape)).bits).to(device)));
    [this.bank, this.staticWeight, this.phi] = scope(() =>
      noGrad(() => {
        const entries = this.entries();
        const numKernels = bank.shape[0]!;
        const index = entries.dynamic.expand([numKernels, entries.dynamic.numel]);
        return [
          new nn.Parameter(ops.gather(bank.reshape([numKernels, -1]), 1, index)),
          new nn.Parameter(ops.gather(staticWeight.reshape([-1]), 0, entries.static)),
          scaleMode === 'none' ? null : new nn.Parameter(phi ? phi.clone() : zeros([], { dtype, device })),
        ] as const;
      }),
    );
    this.#entries.forget(); // eight bytes an entry, that the native kernels do without
  }

  /** A source of zeros, for weights to be loaded into. */
  static empty({ numKernels, mask, scaleMode, dtype = 'float32' }: EmptyPartialSourceOptions): PartialSource {
    return scope(() => {
      const zero = zeros([], { dtype });
      const bank = zero.expand([numKernels, ...mask.shape]);
      return new PartialSource({ bank, staticWeight: zero.expand(mask.shape), mask, ...(scaleMode && { scaleMode }) });
    });
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

  /** The plain composition of libtorch's operators, by expanding to [K, …shape]: the reference of faster ways. */
  effective(sumsToOne: boolean): EffectiveParameter {
    const factors = scaleFactors(this.phi, this.scaleMode);
    if (this.training || isGradEnabled()) return this.compute(sumsToOne, factors);
    const inputs = [this.bank, this.staticWeight, this.maskBits, ...(this.phi ? [this.phi] : [])];
    const make = (): Pick<EffectiveParameter, 'bank' | 'constant'> => {
      const { bank, constant } = this.compute(sumsToOne, factors);
      return { bank, constant };
    };
    return { ...this.#parts.get(inputs, make, `${sumsToOne}`), scale: factors.dynamic };
  }

  compact(): CompactParameter {
    const factors = scaleFactors(this.phi, this.scaleMode);
    const staticPart = {
      weight: this.staticWeight,
      scale: factors.static ?? this.staticWeight.newOnes([]),
      maskBits: this.maskBits,
    };
    return { bank: this.bank, scale: factors.dynamic, staticPart };
  }

  /** λ_d is left to the coefficients; a static part that is added to the bank is divided by it. */
  private compute(sumsToOne: boolean, factors: ScaleFactors): EffectiveParameter {
    const { bank, numKernels, shape } = this;
    if (this.training) this.#parts.forget(); // as large as K static weights, and of no use in training
    const entries = this.entries();
    const size = numEntries(shape);
    const scaled = scaledStatic(this.staticWeight, factors, sumsToOne);
    const constant = ops.scatter(scaled.newZeros([size]), 0, entries.static, scaled);
    const around = sumsToOne ? constant.expand([numKernels, size]) : bank.newZeros([numKernels, size]);
    const whole = ops.scatter(around, 1, entries.dynamic.expand([numKernels, entries.dynamic.numel]), bank);
    return {
      bank: whole.reshape([numKernels, ...shape]),
      scale: factors.dynamic,
      constant: sumsToOne ? null : constant.reshape(shape),
    };
  }

  /** The mask as a bool tensor, unpacked once; it belongs to this source. */
  maskTensor(): Tensor {
    if (this.training) this.#parts.forget();
    return this.#mask.get([this.maskBits], () => noGrad(() => unpackBits(this.maskBits, this.shape)));
  }

  /**
   * Where the numbers of `bank` and `staticWeight` stand in the whole weight, found once; they belong to this source.
   */
  entries(): Entries {
    return this.#entries.get([this.maskBits], () => {
      const mask = unpackBits(this.maskBits, this.shape).reshape([-1]);
      const positions = (entries: Tensor): Tensor => ops.nonzero(entries).reshape([-1]);
      return { dynamic: positions(mask), static: positions(mask.logicalNot()) };
    });
  }
}

/** @throws RangeError where bank [K, …shape] or mask are of another shape */
export function assertShapes(bank: Tensor, shape: readonly number[], mask: Mask | undefined): void {
  const entry = bank.shape.slice(1).join(', ');
  if (entry !== shape.join(', '))
    throw new RangeError(`bank entries [${entry}] and static weight [${shape.join(', ')}] differ`);
  if (mask && mask.shape.join(', ') !== entry)
    throw new RangeError(`mask shape [${mask.shape.join(', ')}] does not match bank entry [${entry}]`);
}
