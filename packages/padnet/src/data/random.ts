/**
 * Random numbers without state: Philox-4x32-10, a counter-based generator (Salmon et al., "Parallel Random Numbers: As
 * Easy as 1, 2, 3", SC 2011). A number is a function of (seed, purpose, epoch, sample) and its place in that stream, so
 * neither the number of workers nor a resumed run changes it.
 */

import { checkInteger } from './checks.js';

const ROUNDS = 10;
const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
/** Weyl increments of the key: the golden ratio and √3 − 1. */
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;

const TWO_32 = 2 ** 32;
const MAX_UINT32 = TWO_32 - 1;

/** The purpose of a stream; each purpose has its own, so that shuffling never correlates with augmentation. */
export type RandomPurpose =
  | 'order'
  | 'transform'
  | 'batches'
  | 'subset'
  | 'resizedCrop'
  | 'erasing'
  | 'colorJitter'
  | 'randAugment'
  | 'dropout'
  | 'domains';

/** Fixed for ever: stored runs resume by these numbers. */
const PURPOSE_WORD = {
  order: 1,
  transform: 2,
  batches: 3,
  subset: 4,
  resizedCrop: 5,
  erasing: 6,
  colorJitter: 7,
  randAugment: 8,
  dropout: 9,
  domains: 10,
} as const satisfies Record<RandomPurpose, number>;

/** Upper 32 bits of the 64-bit product of two unsigned 32-bit integers. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + (middle >>> 16) + (carry >>> 16)) >>> 0;
}

/**
 * One Philox-4x32-10 block.
 *
 * @param out receives four unsigned 32-bit words
 * @param c0 first of the four words of the counter (c0 … c3)
 * @param k0 first of the two words of the key (k0, k1)
 */
export function philox4x32(
  out: Uint32Array,
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  k0: number,
  k1: number,
): void {
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, c0);
    const low0 = Math.imul(MULTIPLIER_0, c0);
    const high1 = multiplyHigh(MULTIPLIER_1, c2);
    const low1 = Math.imul(MULTIPLIER_1, c2);
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1 >>> 0;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0 >>> 0;
    k0 = (k0 + WEYL_0) >>> 0;
    k1 = (k1 + WEYL_1) >>> 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/**
 * The random numbers of one (seed, purpose, epoch, sample): key = the seed's 64 bits, counter = (block, sample, epoch,
 * purpose). Streams are disjoint by construction.
 */
export class RandomStream {
  readonly #words = new Uint32Array(4);
  readonly #keyLow: number;
  readonly #keyHigh: number;
  readonly #epoch: number;
  readonly #sample: number;
  readonly #purpose: number;
  #block = 0;
  #used = 4;

  /**
   * @param seed integer in [0, 2⁵³)
   * @param epoch integer in [0, 2³²)
   * @param sample index of the sample in its dataset, an integer in [0, 2³²)
   */
  constructor(seed: number, purpose: RandomPurpose, epoch: number, sample = 0) {
    checkInteger('seed', seed, 0);
    checkInteger('epoch', epoch, 0, MAX_UINT32);
    this.#keyLow = seed % TWO_32;
    this.#keyHigh = Math.floor(seed / TWO_32);
    this.#epoch = epoch;
    this.#sample = sample;
    this.#purpose = PURPOSE_WORD[purpose];
  }

  /** Uniform integer in [0, 2³²). */
  nextUint32(): number {
    if (this.#used === 4) {
      philox4x32(this.#words, this.#block++, this.#sample, this.#epoch, this.#purpose, this.#keyLow, this.#keyHigh);
      this.#used = 0;
    }
    return this.#words[this.#used++]!;
  }

  /** Uniform integer in [0, bound), without bias; `bound` is an integer in [1, 2³²]. */
  nextBelow(bound: number): number {
    const limit = TWO_32 - (TWO_32 % bound);
    for (;;) {
      const word = this.nextUint32();
      if (word < limit) return word % bound;
    }
  }

  /** Uniform number in [0, 1), a multiple of 2⁻³². */
  nextFloat(): number {
    return this.nextUint32() / TWO_32;
  }
}
