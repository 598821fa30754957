/** Random erasing (Zhong et al. 2017), as torchvision's RandomErasing with value 0. */
import type { RandomStream } from './random.js';

export interface RandomErasing {
  /** The probability that a picture is erased from. */
  readonly probability: number;
  /** The rectangle's share of the area, from and to. */
  readonly scale: readonly [number, number];
  /** Its height over its width, from and to. */
  readonly ratio: readonly [number, number];
}

/**
 * Sets a rectangle of the normalised picture at `offset` to 0, the mean colour: of ten tries the first that fits.
 *
 * @param picture holds `[channels, height, width]` from `offset` on
 */
export function eraseAtRandom(
  picture: Float32Array,
  offset: number,
  { channels, height, width }: { readonly channels: number; readonly height: number; readonly width: number },
  { probability, scale, ratio }: RandomErasing,
  random: RandomStream,
): void {
  if (random.nextFloat() >= probability) return;
  const between = (from: number, to: number): number => from + (to - from) * random.nextFloat();
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = height * width * between(...scale);
    const aspect = Math.exp(between(Math.log(ratio[0]), Math.log(ratio[1])));
    const h = Math.round(Math.sqrt(area * aspect));
    const w = Math.round(Math.sqrt(area / aspect));
    if (h >= height || w >= width) continue;
    const top = random.nextBelow(height - h + 1);
    const left = random.nextBelow(width - w + 1);
    for (let channel = 0; channel < channels; channel++) {
      for (let row = top; row < top + h; row++) {
        const start = offset + (channel * height + row) * width + left;
        picture.fill(0, start, start + w);
      }
    }
    return;
  }
}
