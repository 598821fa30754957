/**
 * Changes of colour and contrast, as torchvision's functions of the same names make them of tensors of bytes: results
 * are cut off, not rounded. Grey pictures have no saturation and no hue: those leave them as they are.
 */
import type { Pixels } from './pixels.js';

/** As torchvision's: 0 black, 1 the same, 2 twice as bright. */
export function adjustBrightness({ data }: Pixels, factor: number): void {
  replace(data, (pixel) => clamped(factor * pixel));
}

/** 0: the mean of the picture's grey, 1 the same. */
export function adjustContrast(pixels: Pixels, factor: number): void {
  const grey = greyOf(pixels);
  const mean = grey.reduce((sum, value) => sum + value, 0) / grey.length;
  replace(pixels.data, (pixel) => clamped(factor * pixel + (1 - factor) * mean));
}

/** 0: grey, 1 the same. */
export function adjustSaturation(pixels: Pixels, factor: number): void {
  if (pixels.channels === 1) return;
  const { data } = pixels;
  const grey = greyOf(pixels);
  const area = grey.length;
  for (let place = 0; place < data.length; place++)
    data[place] = clamped(factor * data[place]! + (1 - factor) * grey[place % area]!);
}

/** Turns the hue by `turn` of a full turn, from −0.5 to 0.5. */
export function adjustHue({ data, channels, height, width }: Pixels, turn: number): void {
  if (channels === 1) return;
  const area = height * width;
  for (let place = 0; place < area; place++) {
    const [r, g, b] = [data[place]! / 255, data[place + area]! / 255, data[place + 2 * area]! / 255] as const;
    const value = Math.max(r, g, b);
    const range = value - Math.min(r, g, b);
    const saturation = range === 0 ? 0 : range / value;
    const sixths =
      range === 0 ? 0 : value === r ? (g - b) / range : value === g ? 2 + (b - r) / range : 4 + (r - g) / range;
    const turned = (((sixths / 6 + turn) % 1) + 1) % 1;
    const sector = Math.floor(6 * turned);
    const rest = 6 * turned - sector;
    const low = value * (1 - saturation);
    const falling = value * (1 - saturation * rest);
    const rising = value * (1 - saturation * (1 - rest));
    const wheel = [value, falling, low, low, rising, value]; // of red; green is two sectors behind, blue four
    data[place] = clamped(255 * wheel[sector % 6]!);
    data[place + area] = clamped(255 * wheel[(sector + 4) % 6]!);
    data[place + 2 * area] = clamped(255 * wheel[(sector + 2) % 6]!);
  }
}

/** 0: each pixel but those at the border is the mean of its surroundings, itself five times; 1 the same, 2 sharper. */
export function adjustSharpness({ data, channels, height, width }: Pixels, factor: number): void {
  const before = data.slice();
  for (let channel = 0; channel < channels; channel++) {
    for (let row = 1; row < height - 1; row++) {
      for (let column = 1; column < width - 1; column++) {
        const place = (channel * height + row) * width + column;
        let sum = 4 * before[place]!;
        for (const line of [place - width, place, place + width])
          sum += before[line - 1]! + before[line]! + before[line + 1]!;
        data[place] = clamped(factor * before[place]! + (1 - factor) * Math.round(sum / 13));
      }
    }
  }
}

/** Keeps the upper `bits` of each pixel's 8. */
export function posterize({ data }: Pixels, bits: number): void {
  const mask = 256 - 2 ** (8 - bits);
  replace(data, (pixel) => pixel & mask);
}

/** Inverts the pixels of at least `threshold`. */
export function solarize({ data }: Pixels, threshold: number): void {
  replace(data, (pixel) => (pixel >= threshold ? 255 - pixel : pixel));
}

/** Stretches each channel from 0 to 255. */
export function autocontrast(pixels: Pixels): void {
  eachChannel(pixels, (channel) => {
    let [low, high] = [255, 0];
    for (const pixel of channel) {
      low = Math.min(low, pixel);
      high = Math.max(high, pixel);
    }
    if (low < high) replace(channel, (pixel) => clamped(((pixel - low) * 255) / (high - low)));
  });
}

/** Makes each channel's values as frequent as each other, as far as that goes. */
export function equalize(pixels: Pixels): void {
  eachChannel(pixels, (channel) => {
    const counts = new Uint32Array(256);
    for (const pixel of channel) counts[pixel]!++;
    const highest = counts.findLastIndex((count) => count > 0);
    const step = Math.floor((channel.length - counts[highest]!) / 255);
    if (step === 0) return;
    const half = Math.floor(step / 2);
    let below = 0;
    const values = counts.map((count) => {
      const value = below === 0 ? 0 : Math.min(255, Math.floor((below + half) / step));
      below += count;
      return value;
    });
    replace(channel, (pixel) => values[pixel]!);
  });
}

/** The grey of each pixel, `[height, width]`. */
function greyOf({ data, channels, height, width }: Pixels): Uint8Array {
  const area = height * width;
  if (channels === 1) return data;
  const grey = new Uint8Array(area);
  for (let place = 0; place < area; place++)
    grey[place] = 0.2989 * data[place]! + 0.587 * data[place + area]! + 0.114 * data[place + 2 * area]!;
  return grey;
}

function clamped(value: number): number {
  return Math.max(0, Math.min(255, Math.trunc(value)));
}

/** By a table: a pixel has few values. */
function replace(data: Uint8Array, value: (pixel: number) => number): void {
  const values = Uint8Array.from({ length: 256 }, (_, pixel) => value(pixel));
  for (let place = 0; place < data.length; place++) data[place] = values[data[place]!]!;
}

function eachChannel({ data, channels, height, width }: Pixels, change: (channel: Uint8Array) => void): void {
  const area = height * width;
  for (let channel = 0; channel < channels; channel++) change(data.subarray(channel * area, (channel + 1) * area));
}
