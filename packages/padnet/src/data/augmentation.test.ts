import { describe, expect, it } from 'vitest';

import { picture, results } from './augmentation.references.generated.js';
import { adjustHue } from './colour.js';
import { jitterColours } from './colorJitter.js';
import type { Pixels } from './pixels.js';
import { augmentAtRandom, MAX_MAGNITUDE, type RandAugment, randAugmentOperations } from './randAugment.js';
import { RandomStream } from './random.js';

function bytes(base64: string): Uint8Array {
  return Uint8Array.from(Buffer.from(base64, 'base64'));
}

function original(): Pixels {
  return { data: bytes(picture), channels: 3, height: 16, width: 20 };
}

function grey(): Pixels {
  return { data: bytes(picture).slice(0, 320), channels: 1, height: 16, width: 20 };
}

const geometric = ['ShearX', 'ShearY', 'TranslateX', 'TranslateY', 'Rotate'];

describe("torchvision's operations", () => {
  it.each(Object.entries(results))('%s', (title, expected) => {
    const [name, number] = title.split(' ') as [keyof typeof randAugmentOperations | 'hue', string];
    const pixels = original();
    if (name === 'hue') adjustHue(pixels, Number(number));
    else randAugmentOperations[name].apply(pixels, Number(number) / MAX_MAGNITUDE);
    const differences = bytes(expected).map((value, place) => Math.abs(value - pixels.data[place]!));
    // Geometry: float32 can put a point that lies between two pixels into the other one. Else the last rounding
    // differs.
    const [limit, share] = geometric.includes(name) ? [0, 0.01] : [1, 0];
    const wrong = differences.filter((difference) => difference > limit).length;
    expect(wrong / differences.length).toBeLessThanOrEqual(share);
    if (name !== 'Identity') expect([...pixels.data]).not.toEqual([...original().data]);
  });

  it.each(Object.entries(randAugmentOperations))('%s takes grey pictures', (name, { apply }) => {
    const pixels = grey();
    apply(pixels, 0.5);
    const same = ['Identity', 'Color'].includes(name);
    expect(Buffer.compare(pixels.data, grey().data) === 0).toBe(same);
  });
});

describe('RandAugment', () => {
  const options: RandAugment = { numOps: 2, magnitude: 9 };
  const augmented = (sample: number, changes: Partial<RandAugment> = {}): string => {
    const pixels = original();
    augmentAtRandom(pixels, { ...options, ...changes }, new RandomStream(7, 'randAugment', 0, sample));
    return Buffer.from(pixels.data).toString('base64');
  };

  it('draws each operation alike, in both directions', () => {
    const seen = new Map<string, number>();
    for (let sample = 0; sample < 2100; sample++) {
      const result = augmented(sample, { numOps: 1 });
      seen.set(result, (seen.get(result) ?? 0) + 1);
    }
    expect(seen.get(picture)).toBeGreaterThan(100);
    // Nine of 14 operations have two directions.
    expect(seen.size).toBe(23);
    for (const count of seen.values()) expect(count).toBeGreaterThan(40);
  });

  it('depends on the stream alone, and applies as many as asked', () => {
    expect(augmented(3)).toBe(augmented(3));
    const results = Array.from({ length: 200 }, (_, sample) => augmented(sample));
    expect(new Set(results).size).toBeGreaterThan(100);
    expect(augmented(3, { magnitude: 20 })).not.toBe(augmented(3));
  });
});

describe('ColorJitter', () => {
  const none = { brightness: 0, contrast: 0, saturation: 0, hue: 0 };
  const jittered = (options: Partial<typeof none>, sample: number, pixels = original()): Uint8Array => {
    jitterColours(pixels, { ...none, ...options }, new RandomStream(7, 'colorJitter', 0, sample));
    return pixels.data;
  };

  it('changes nothing that is not asked for', () => {
    expect(jittered({}, 1)).toEqual(original().data);
    expect(jittered({ saturation: 0.5, hue: 0.5 }, 1, grey())).toEqual(grey().data);
  });

  it('draws brightness from 1 − b to 1 + b', () => {
    const white = (): Pixels => ({ data: new Uint8Array(3).fill(100), channels: 3, height: 1, width: 1 });
    const values = Array.from({ length: 500 }, (_, sample) => jittered({ brightness: 0.4 }, sample, white())[0]!);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(60);
    expect(Math.min(...values)).toBeLessThan(63);
    expect(Math.max(...values)).toBeLessThanOrEqual(140);
    expect(Math.max(...values)).toBeGreaterThan(137);
    // More than 1 is never less than black.
    expect(jittered({ brightness: 5 }, 2, white())[0]).toBeGreaterThanOrEqual(0);
  });

  it('changes in random order, by the stream alone', () => {
    const options = { brightness: 0.8, contrast: 0.8, saturation: 0.8, hue: 0.2 };
    const results = Array.from({ length: 20 }, (_, sample) => jittered(options, sample).join());
    expect(new Set(results).size).toBe(20);
    expect(jittered(options, 5).join()).toBe(results[5]);
  });
});
