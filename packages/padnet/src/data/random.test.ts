import { describe, expect, it } from 'vitest';

import { InputError } from '../errors.js';
import { philox4x32, RandomStream } from './random.js';

describe('philox4x32', () => {
  // Known answers of the authors' Random123 library (kat_vectors, philox4x32 10).
  it.each([
    {
      counter: [0, 0, 0, 0],
      key: [0, 0],
      words: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    },
    {
      counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      key: [0xffffffff, 0xffffffff],
      words: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    },
    {
      counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      key: [0xa4093822, 0x299f31d0],
      words: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    },
  ] as const)('agrees with Random123 for counter $counter', ({ counter, key, words }) => {
    const out = new Uint32Array(4);
    const [c0, c1, c2, c3] = counter;
    philox4x32(out, c0, c1, c2, c3, key[0], key[1]);
    expect([...out]).toEqual(words);
  });
});

describe('RandomStream', () => {
  const first = (...args: ConstructorParameters<typeof RandomStream>) => {
    const stream = new RandomStream(...args);
    return Array.from({ length: 6 }, () => stream.nextUint32());
  };

  it('depends on seed, purpose, epoch and sample, and on nothing else', () => {
    const streams = [
      first(1, 'transform', 2, 3),
      first(2, 'transform', 2, 3),
      first(1 + 2 ** 32, 'transform', 2, 3),
      first(1, 'order', 2, 3),
      first(1, 'transform', 3, 3),
      first(1, 'transform', 2, 4),
    ];
    expect(new Set(streams.map(String)).size).toBe(streams.length);
    expect(first(1, 'transform', 2, 3)).toEqual(streams[0]);
  });

  it('is uniform along a stream and across samples', () => {
    const bins = 16;
    const draws = 32_000;
    const chiSquared = (draw: (i: number) => number) => {
      const counts = new Array<number>(bins).fill(0);
      for (let i = 0; i < draws; i++) counts[draw(i)]!++;
      return counts.reduce((sum, count) => sum + (count - draws / bins) ** 2 / (draws / bins), 0);
    };
    const along = new RandomStream(0, 'order', 0);
    // 99.99 % of chi-squared with 15 degrees of freedom lie below 44.3.
    expect(chiSquared(() => along.nextBelow(bins))).toBeLessThan(44.3);
    expect(chiSquared((i) => new RandomStream(0, 'transform', 0, i).nextBelow(bins))).toBeLessThan(44.3);
    expect(chiSquared((i) => new RandomStream(0, 'transform', i).nextBelow(bins))).toBeLessThan(44.3);
    expect(chiSquared((i) => Math.floor(new RandomStream(i, 'transform', 0).nextFloat() * bins))).toBeLessThan(44.3);
  });

  it('has no bias for bounds that do not divide 2³²', () => {
    const stream = new RandomStream(5, 'order', 0);
    const bound = 3 * 2 ** 30; // modulo alone would give the lowest third twice as often
    let low = 0;
    for (let i = 0; i < 9000; i++) if (stream.nextBelow(bound) < 2 ** 30) low++;
    expect(Math.abs(low / 9000 - 1 / 3)).toBeLessThan(0.025);
  });

  it('refuses a seed that is not a non-negative integer', () => {
    expect(() => new RandomStream(-1, 'order', 0)).toThrow(InputError);
    expect(() => new RandomStream(0.5, 'order', 0)).toThrow('seed must be an integer of at least 0, got 0.5');
    expect(() => new RandomStream(0, 'order', 2 ** 32)).toThrow('epoch must be an integer from 0 to 4294967295');
  });
});
