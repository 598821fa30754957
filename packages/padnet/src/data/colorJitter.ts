/** torchvision's ColorJitter. */
import { adjustBrightness, adjustContrast, adjustHue, adjustSaturation } from './colour.js';
import type { Pixels } from './pixels.js';
import type { RandomStream } from './random.js';
import { permutation } from './sampleOrder.js';

/** How far each may change. */
export interface ColorJitter {
  /** A factor from 1 − this (at least 0) to 1 + this; 0: not at all. */
  readonly brightness: number;
  readonly contrast: number;
  readonly saturation: number;
  /** From −this to this, of a full turn, at most ½. */
  readonly hue: number;
}

/** The four changes in random order. */
export function jitterColours(pixels: Pixels, options: ColorJitter, random: RandomStream): void {
  const order = permutation(4, random);
  const factor = (range: number): number => {
    const least = Math.max(0, 1 - range);
    return least + (1 + range - least) * random.nextFloat();
  };
  const { brightness, contrast, saturation, hue } = options;
  const factors = [factor(brightness), factor(contrast), factor(saturation)] as const;
  const turn = hue * (2 * random.nextFloat() - 1);
  for (const which of order) {
    if (which === 0 && brightness > 0) adjustBrightness(pixels, factors[0]);
    if (which === 1 && contrast > 0) adjustContrast(pixels, factors[1]);
    if (which === 2 && saturation > 0) adjustSaturation(pixels, factors[2]);
    if (which === 3 && hue > 0) adjustHue(pixels, turn);
  }
}
