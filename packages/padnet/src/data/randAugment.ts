/** RandAugment (Cubuk et al. 2019), as torchvision's: its operations, with 31 magnitudes. */
import { rotate, shearX, shearY, translateX, translateY } from './affine.js';
import {
  adjustBrightness,
  adjustContrast,
  adjustSaturation,
  adjustSharpness,
  autocontrast,
  equalize,
  posterize,
  solarize,
} from './colour.js';
import type { Pixels } from './pixels.js';
import type { RandomStream } from './random.js';

export interface RandAugment {
  /** Operations that a picture gets, one after the other. */
  readonly numOps: number;
  /** The strength of all operations, from 0 to `MAX_MAGNITUDE`. */
  readonly magnitude: number;
}

export const MAX_MAGNITUDE = 30;

interface Operation {
  /** Whether it goes both ways, each with probability ½. */
  readonly signed: boolean;
  /** @param level the magnitude from 0 to 1, or −1 to 0 */
  readonly apply: (pixels: Pixels, level: number) => void;
}

const both = (apply: Operation['apply']): Operation => ({ signed: true, apply });
const one = (apply: Operation['apply']): Operation => ({ signed: false, apply });

/** In torchvision's order and under its names: stored runs resume by their places. */
export const randAugmentOperations = {
  Identity: one(() => undefined),
  ShearX: both((pixels, level) => {
    shearX(pixels, 0.3 * level);
  }),
  ShearY: both((pixels, level) => {
    shearY(pixels, 0.3 * level);
  }),
  TranslateX: both((pixels, level) => {
    translateX(pixels, (150 / 331) * pixels.width * level);
  }),
  TranslateY: both((pixels, level) => {
    translateY(pixels, (150 / 331) * pixels.height * level);
  }),
  Rotate: both((pixels, level) => {
    rotate(pixels, 30 * level);
  }),
  Brightness: both((pixels, level) => {
    adjustBrightness(pixels, 1 + 0.9 * level);
  }),
  Color: both((pixels, level) => {
    adjustSaturation(pixels, 1 + 0.9 * level);
  }),
  Contrast: both((pixels, level) => {
    adjustContrast(pixels, 1 + 0.9 * level);
  }),
  Sharpness: both((pixels, level) => {
    adjustSharpness(pixels, 1 + 0.9 * level);
  }),
  Posterize: one((pixels, level) => {
    posterize(pixels, 8 - Math.round(4 * level));
  }),
  Solarize: one((pixels, level) => {
    solarize(pixels, 255 * (1 - level));
  }),
  AutoContrast: one(autocontrast),
  Equalize: one(equalize),
} as const satisfies Record<string, Operation>;

const operations: readonly Operation[] = Object.values(randAugmentOperations);

export function augmentAtRandom(pixels: Pixels, { numOps, magnitude }: RandAugment, random: RandomStream): void {
  for (let count = 0; count < numOps; count++) {
    const { signed, apply } = operations[random.nextBelow(operations.length)]!;
    const level = magnitude / MAX_MAGNITUDE;
    apply(pixels, signed && random.nextBelow(2) === 1 ? -level : level);
  }
}
