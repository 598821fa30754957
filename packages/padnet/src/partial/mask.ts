/**
 * M ∈ {0, 1}: which entries of a layer's weight stay dynamic (method.md §2). A real bit set: one bit an entry, entry i
 * at bit i mod 8 of byte ⌊i / 8⌋, padding bits zero. It never changes once made.
 */
import { fromTypedArray, ops, scope, type Tensor } from '@padnet/torch';
import { numEntries } from './numEntries.js';

export class Mask {
  /** The entries, in row-major order, as bits. */
  readonly bits: Uint8Array;
  readonly shape: readonly number[];
  /** Number of entries. */
  readonly size: number;
  /** Number of dynamic entries. */
  readonly count: number;

  private constructor(shape: readonly number[], bits: Uint8Array) {
    this.shape = [...shape];
    this.size = numEntries(shape);
    this.bits = bits;
    let count = 0;
    for (const byte of bits) count += bitCount[byte]!;
    this.count = count;
  }

  /** Every entry dynamic. */
  static full(shape: readonly number[]): Mask {
    const size = numEntries(shape);
    const bits = new Uint8Array(Math.ceil(size / 8)).fill(255);
    if (size % 8 !== 0) bits[bits.length - 1] = (1 << (size % 8)) - 1;
    return new Mask(shape, bits);
  }

  /** Every entry static. */
  static empty(shape: readonly number[]): Mask {
    return new Mask(shape, new Uint8Array(Math.ceil(numEntries(shape) / 8)));
  }

  /** @throws RangeError where there are not as many bits as entries, or a padding bit is set */
  static fromBits(shape: readonly number[], bits: Uint8Array): Mask {
    const size = numEntries(shape);
    if (bits.length !== Math.ceil(size / 8)) {
      throw new RangeError(
        `a mask of shape [${shape.join(', ')}] needs ${Math.ceil(size / 8)} bytes, got ${bits.length}`,
      );
    }
    if (size % 8 !== 0 && bits[bits.length - 1]! >> (size % 8) !== 0) {
      throw new RangeError(`a mask of ${size} entries has bits set beyond its end`);
    }
    return new Mask(shape, bits.slice());
  }

  /** @throws RangeError where an element is neither 0 nor 1 */
  static fromTensor(tensor: Tensor): Mask {
    return scope(() => {
      const isDynamic = tensor.detach().ne(0);
      if (!ops.equal(isDynamic.to(tensor.dtype), tensor.detach())) throw new RangeError('a mask can hold only 0 and 1');
      const bytes = isDynamic.toTypedArray();
      const bits = new Uint8Array(Math.ceil(bytes.length / 8));
      for (let i = 0; i < bytes.length; i++) bits[i >> 3]! |= Number(bytes[i]) << (i & 7);
      return new Mask(tensor.shape, bits);
    });
  }

  /** κ: the fraction of entries that are dynamic; 0 for a mask without entries. */
  get dynamicRatio(): number {
    return this.size === 0 ? 0 : this.count / this.size;
  }

  /** Whether entry `index` (row-major) is dynamic. */
  has(index: number): boolean {
    if (!(index >= 0 && index < this.size))
      throw new RangeError(`a mask of ${this.size} entries has no entry ${index}`);
    return ((this.bits[index >> 3]! >> (index & 7)) & 1) === 1;
  }

  equals(other: Mask): boolean {
    return this.sameShape(other) && this.bits.every((byte, index) => byte === other.bits[index]);
  }

  /** Number of entries that are dynamic in both. @throws RangeError where the shapes differ */
  overlap(other: Mask): number {
    if (!this.sameShape(other)) {
      throw new RangeError(
        `masks of shape [${this.shape.join(', ')}] and [${other.shape.join(', ')}] cannot be compared`,
      );
    }
    return this.bits.reduce((sum, byte, index) => sum + bitCount[byte & other.bits[index]!]!, 0);
  }

  /** The entries as a bool tensor of the mask's shape. */
  toTensor(): Tensor {
    return scope(() => unpackBits(fromTypedArray(this.bits), this.shape));
  }

  private sameShape(other: Mask): boolean {
    return this.shape.join() === other.shape.join();
  }
}

/** Bits (uint8 tensor, as in `Mask.bits`) → bool tensor of `shape`. */
export function unpackBits(bits: Tensor, shape: readonly number[]): Tensor {
  const powers = fromTypedArray(Uint8Array.from({ length: 8 }, (_, bit) => 1 << bit));
  const flat = bits.unsqueeze(1).bitwiseAnd(powers.to(bits.device)).ne(0).reshape([-1]);
  return flat.slice({ end: numEntries(shape) }).reshape(shape);
}

const bitCount = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length);
