import { describe, expect, it } from 'vitest';

import { RandomStream } from './random.js';
import { eraseAtRandom } from './randomErasing.js';

const shape = { channels: 2, height: 30, width: 40 };
const options = { probability: 0.5, scale: [0.02, 0.33], ratio: [0.3, 3.3] } as const;

/** Where the second of two pictures was erased, as rows of places in its first channel. */
function erased(sample: number): { readonly picture: Float32Array; readonly places: number[] } {
  const picture = new Float32Array(2 * 2400).fill(1);
  eraseAtRandom(picture, 2400, shape, options, new RandomStream(1, 'erasing', 0, sample));
  const places = Array.from({ length: 1200 }, (_, place) => place).filter((place) => picture[2400 + place] === 0);
  return { picture, places };
}

describe('eraseAtRandom', () => {
  it('erases one rectangle of the asked area and ratio, in all channels, of as many pictures as asked', () => {
    let count = 0;
    for (let sample = 0; sample < 400; sample++) {
      const { picture, places } = erased(sample);
      expect(picture.subarray(0, 2400).every((value) => value === 1)).toBe(true);
      expect(picture.subarray(3600)).toEqual(picture.subarray(2400, 3600));
      if (places.length === 0) continue;
      count++;
      const rows = new Set(places.map((place) => Math.floor(place / 40)));
      const columns = new Set(places.map((place) => place % 40));
      expect(places).toHaveLength(rows.size * columns.size);
      expect(Math.max(...rows) - Math.min(...rows) + 1).toBe(rows.size);
      expect(Math.max(...columns) - Math.min(...columns) + 1).toBe(columns.size);
      expect(places.length / 1200).toBeGreaterThan(0.01);
      expect(places.length / 1200).toBeLessThan(0.36);
      expect(rows.size / columns.size).toBeGreaterThan(0.25);
      expect(rows.size / columns.size).toBeLessThan(4);
    }
    expect(count).toBeGreaterThan(160);
    expect(count).toBeLessThan(240);
  });

  it('depends on the stream alone', () => {
    expect(erased(3)).toEqual(erased(3));
  });
});
