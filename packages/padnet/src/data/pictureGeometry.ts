/**
 * Which part of a picture becomes the network's input in training, as in torchvision's RandomResizedCrop; evaluation's
 * is `centreGeometry`.
 */
import type { PictureGeometry, PictureSize, Region } from '@padnet/runtime/shared';
import type { RandomStream } from './random.js';

/** The part's share of the area, and its width over its height, each from and to. */
export interface ResizedCrop {
  readonly scale: readonly [number, number];
  readonly ratio: readonly [number, number];
}

/** torchvision's. */
export const STANDARD_CROP: ResizedCrop = { scale: [0.08, 1], ratio: [3 / 4, 4 / 3] };

/** The share of each side that is left of a picture resized and then cropped: torchvision's, from 256 to 224 pixels. */
export const STANDARD_CROP_FRACTION = 224 / 256;

/**
 * The region that RandomResizedCrop draws: of ten tries the first that lies in the picture, otherwise the centre in the
 * nearest ratio.
 */
export function randomRegion(
  { width, height }: PictureSize,
  { scale, ratio }: ResizedCrop,
  random: RandomStream,
): Region {
  const between = (from: number, to: number): number => from + (to - from) * random.nextFloat();
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = width * height * between(...scale);
    const aspect = Math.exp(between(Math.log(ratio[0]), Math.log(ratio[1])));
    const w = Math.round(Math.sqrt(area * aspect));
    const h = Math.round(Math.sqrt(area / aspect));
    if (w < 1 || w > width || h < 1 || h > height) continue;
    const top = random.nextBelow(height - h + 1);
    return { left: random.nextBelow(width - w + 1), top, width: w, height: h };
  }
  const w = Math.min(width, Math.max(1, Math.round(height * ratio[1])));
  const h = Math.min(height, Math.max(1, Math.round(width / ratio[0])));
  return { left: Math.floor((width - w) / 2), top: Math.floor((height - h) / 2), width: w, height: h };
}

/**
 * The region as `size × size`. Where it is at least twice that, the whole picture is resized and cut afterwards (a
 * pixel of the result is then off by half a pixel at most): JPEG and WebP are decoded at half, a quarter or an eighth
 * of the size.
 */
export function regionGeometry({ width, height }: PictureSize, region: Region, size: number): PictureGeometry {
  if (Math.min(region.width, region.height) < 2 * size)
    return { before: region, width: size, height: size, after: null };
  const [x, y] = [size / region.width, size / region.height];
  const [newWidth, newHeight] = [Math.max(size, Math.round(width * x)), Math.max(size, Math.round(height * y))];
  const left = Math.min(Math.round(region.left * x), newWidth - size);
  const top = Math.min(Math.round(region.top * y), newHeight - size);
  return { before: null, width: newWidth, height: newHeight, after: { left, top, width: size, height: size } };
}
