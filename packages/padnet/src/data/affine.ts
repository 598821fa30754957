/**
 * Shear, translation and rotation, to the nearest pixel; black where there was no picture. As torchvision's RandAugment
 * has them.
 */
import type { Pixels } from './pixels.js';

/** A row moves by `slope` times its distance from the upper edge. */
export function shearX(pixels: Pixels, slope: number): void {
  affine(pixels, [1, slope, 0, 0, 1, 0]);
}

/** A column moves by `slope` times its distance from the left edge. */
export function shearY(pixels: Pixels, slope: number): void {
  affine(pixels, [1, 0, 0, slope, 1, 0]);
}

/** To the right by so many whole pixels. */
export function translateX(pixels: Pixels, distance: number): void {
  affine(pixels, [1, 0, -Math.trunc(distance), 0, 1, 0]);
}

/** Downwards. */
export function translateY(pixels: Pixels, distance: number): void {
  affine(pixels, [1, 0, 0, 0, 1, -Math.trunc(distance)]);
}

/** Against the clock, about the centre. */
export function rotate(pixels: Pixels, degrees: number): void {
  const [cos, sin] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  const [x, y] = [pixels.width / 2, pixels.height / 2];
  affine(pixels, [cos, -sin, x - cos * x + sin * y, sin, cos, y - sin * x - cos * y]);
}

/** Where the point (x, y) of the result comes from: (ax + by + c, dx + ey + f), from the upper left corner. */
type Inverse = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

function affine({ data, channels, height, width }: Pixels, [a, b, c, d, e, f]: Inverse): void {
  const before = data.slice();
  const area = height * width;
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const [x, y] = [column + 0.5, row + 0.5];
      const fromColumn = Math.floor(a * x + b * y + c);
      const fromRow = Math.floor(d * x + e * y + f);
      const inside = fromColumn >= 0 && fromColumn < width && fromRow >= 0 && fromRow < height;
      const [to, from] = [row * width + column, fromRow * width + fromColumn];
      for (let channel = 0; channel < channels; channel++)
        data[to + channel * area] = inside ? before[from + channel * area]! : 0;
    }
  }
}
