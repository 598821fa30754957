import { describe, expect, it } from 'vitest';

import { randomRegion, regionGeometry } from './pictureGeometry.js';
import { RandomStream } from './random.js';

describe('randomRegion', () => {
  it('draws parts of the asked area and ratio that lie in the picture', () => {
    const picture = { width: 500, height: 375 };
    const shares: number[] = [];
    for (let sample = 0; sample < 2000; sample++) {
      const random = new RandomStream(1, 'resizedCrop', 0, sample);
      const { left, top, width, height } = randomRegion(picture, { scale: [0.08, 1], ratio: [3 / 4, 4 / 3] }, random);
      expect(Math.min(left, top)).toBeGreaterThanOrEqual(0);
      expect(left + width).toBeLessThanOrEqual(500);
      expect(top + height).toBeLessThanOrEqual(375);
      expect(width / height).toBeGreaterThan(0.74);
      expect(width / height).toBeLessThan(1.35);
      shares.push((width * height) / (500 * 375));
    }
    expect(Math.min(...shares)).toBeGreaterThan(0.078);
    expect(Math.min(...shares)).toBeLessThan(0.1);
    expect(Math.max(...shares)).toBeGreaterThan(0.95);
  });

  it('takes the centre where no part fits', () => {
    const random = new RandomStream(1, 'resizedCrop', 0, 0);
    const region = randomRegion({ width: 1000, height: 10 }, { scale: [0.5, 1], ratio: [3 / 4, 4 / 3] }, random);
    expect(region).toEqual({ left: 493, top: 0, width: 13, height: 10 });
  });
});

it('resizes before it cuts where the region is large, to the same place', () => {
  const picture = { width: 2000, height: 1500 };
  const small = { left: 10, top: 20, width: 300, height: 250 };
  expect(regionGeometry(picture, small, 224)).toEqual({ before: small, width: 224, height: 224, after: null });
  const large = { left: 400, top: 200, width: 896, height: 672 };
  expect(regionGeometry(picture, large, 224)).toEqual({
    before: null,
    width: 500,
    height: 500,
    after: { left: 100, top: 67, width: 224, height: 224 },
  });
});
