import { describe, expect, it } from 'vitest';
import { centreGeometry } from './geometry.js';

describe('centreGeometry', () => {
  it.each([
    [
      { width: 500, height: 375 },
      { width: 341, height: 256, after: { left: 58, top: 16 } },
    ],
    [
      { width: 375, height: 500 },
      { width: 256, height: 341, after: { left: 16, top: 58 } },
    ],
    [
      { width: 100, height: 100 },
      { width: 256, height: 256, after: { left: 16, top: 16 } },
    ],
  ])('of %o is that of torchvision', (picture, expected) => {
    const size = { width: 224, height: 224 };
    const after = { ...expected.after, ...size };
    expect(centreGeometry(picture, size, 224 / 256)).toEqual({ before: null, ...expected, after });
  });

  it('leaves a picture of the right size as it is where nothing is to be lost', () => {
    const size = { width: 28, height: 20 };
    expect(centreGeometry(size, size, 1)).toEqual({ before: null, ...size, after: { left: 0, top: 0, ...size } });
  });

  it.each([
    [{ width: 100, height: 20 }, { width: 100, height: 20 }, 36],
    [{ width: 28, height: 200 }, { width: 28, height: 200 }, 0],
    [{ width: 56, height: 41 }, { width: 28, height: 20 }, 0],
  ])('covers an input that is no square with %o', (picture, resized, left) => {
    const { width, height, after } = centreGeometry(picture, { width: 28, height: 20 }, 1);
    expect({ width, height }).toEqual(resized);
    expect(after).toMatchObject({ left, width: 28, height: 20 });
  });
});
