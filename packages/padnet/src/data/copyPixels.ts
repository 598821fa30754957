import type { Pixels } from './pixels.js';

/**
 * Where a picture's pixels lie: pixel (row, column) of channel c at `start + c × channelStep + (row × width + column) ×
 * pixelStep`.
 */
export interface PixelSource {
  readonly data: Uint8Array;
  readonly start: number;
  readonly channelStep: number;
  readonly pixelStep: number;
}

/**
 * How a picture is moved: `top` rows and `left` columns of the result's corner lie in the source, then left and right
 * change places.
 */
export interface Placement {
  readonly top: number;
  readonly left: number;
  readonly mirrored: boolean;
}

/**
 * Writes a picture, moved, as `[channels, height, width]` to `out` at `offset`; what comes from outside of it is black.
 *
 * @param values what pixel p of channel c becomes, at `256 × c + p`
 */
export function copyPixels<Numbers extends Float32Array | Uint8Array>(
  { data, start, channelStep, pixelStep }: PixelSource,
  { channels, height, width }: Omit<Pixels, 'data'>,
  { top, left, mirrored }: Placement,
  values: Numbers,
  out: Numbers,
  offset: number,
): void {
  // Columns of the result that lie in the picture.
  const firstColumn = Math.max(0, -left);
  const endColumn = Math.min(width, width - left);
  const area = height * width;
  const step = mirrored ? -1 : 1;
  for (let row = 0; row < height; row++) {
    const outRow = offset + row * width;
    const sourceRow = row + top;
    const inside = sourceRow >= 0 && sourceRow < height;
    if (!inside || left !== 0) {
      for (let channel = 0; channel < channels; channel++) {
        const outStart = outRow + channel * area;
        out.fill(values[256 * channel]!, outStart, outStart + width);
      }
    }
    if (!inside) continue;
    let from = start + (sourceRow * width + left + firstColumn) * pixelStep;
    let to = mirrored ? outRow + width - 1 - firstColumn : outRow + firstColumn;
    for (let column = firstColumn; column < endColumn; column++) {
      out[to] = values[data[from]!]!;
      // RGB at once takes half the time of a loop over channels.
      if (channels === 3) {
        out[to + area] = values[256 + data[from + channelStep]!]!;
        out[to + 2 * area] = values[512 + data[from + 2 * channelStep]!]!;
      } else {
        for (let channel = 1; channel < channels; channel++)
          out[to + channel * area] = values[256 * channel + data[from + channel * channelStep]!]!;
      }
      from += pixelStep;
      to += step;
    }
  }
}
