/**
 * Pictures resized as in training: by a triangle as wide as a pixel of the result, PIL's bilinear filter, in the steps
 * and with the rounding of libvips, which training uses.
 */
import type { PictureGeometry, Region } from './geometry.js';

/** Pixels of 8 bits, the channels of a pixel beside each other. */
export interface PixelRows {
  readonly width: number;
  readonly height: number;
  /** Values a pixel in what `rows` gives. */
  readonly channels: number;
  /** How many of them count: the first. */
  readonly kept: number;
  /** Rows `from` up to `to`, `[to - from, width, channels]`; they are asked for from top to bottom. */
  rows(from: number, to: number): Uint8Array | Uint8ClampedArray;
}

/** Values along one side: blocks of `shrink` are averaged, and what comes of that is filtered. */
interface Axis {
  readonly shrink: number;
  /** Values after averaging. */
  readonly shrunk: number;
  readonly isEnlarged: boolean;
  /** What each value of the result is made of. */
  readonly taps: readonly Taps[];
}

/** The values from `start` on, by their weights. */
interface Taps {
  readonly start: number;
  readonly weights: Float64Array;
}

/** libvips tabulates filters for so many places between two pixels. */
const PLACES = 64;

/** Rows of the picture that are looked at together. */
const STRIP = 64;

/** From `before` values to `after`, of which `offset` up to `offset + length` are wanted. */
function axis(before: number, after: number, offset: number, length: number): Axis {
  const factor = before / after;
  const shrink = Math.max(1, Math.floor(factor / 2));
  const shrunk = Math.ceil(before / shrink);
  const residual = factor / shrink;
  const taps = Array.from({ length }, (_, index) => {
    const place = offset + index;
    if (residual > 1) return triangle((place + 0.5) * residual - 0.5, residual, shrunk);
    return residual < 1 ? between(place * residual - 0.5, shrunk) : between(place, shrunk);
  });
  return { shrink, shrunk, isEnlarged: residual < 1, taps };
}

function triangle(centre: number, radius: number, length: number): Taps {
  const place = Math.round(centre * PLACES) / PLACES;
  const start = Math.ceil(place - radius);
  const weights = Array.from({ length: Math.floor(place + radius) - start + 1 }, (_, index) =>
    Math.max(0, 1 - Math.abs(start + index - place) / radius),
  );
  return within(start, fixedPoint(weights), length);
}

/** Cut off after 12 bits, as libvips does: together they are a little less than 1. */
function fixedPoint(weights: readonly number[]): number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => Math.trunc((weight / sum) * 2 ** 12) / 2 ** 12);
}

function between(place: number, length: number): Taps {
  const start = Math.floor(place);
  return within(start, [1 - (place - start), place - start], length);
}

/** Beyond its edges a picture goes on as it ends. */
function within(start: number, weights: readonly number[], length: number): Taps {
  const inside = (position: number): number => Math.min(length - 1, Math.max(0, position));
  const first = inside(start);
  const folded = new Float64Array(inside(start + weights.length - 1) - first + 1);
  for (const [index, weight] of weights.entries()) folded[inside(start + index) - first]! += weight;
  return { start: first, weights: folded };
}

/** The geometry's result, `[height, width, kept]`. */
export function resize(
  picture: PixelRows,
  { width, height, after }: Pick<PictureGeometry, 'width' | 'height' | 'after'>,
): Uint8Array {
  const { kept } = picture;
  const region: Region = after ?? { left: 0, top: 0, width, height };
  const vertical = axis(picture.height, height, region.top, region.height);
  const horizontal = axis(picture.width, width, region.left, region.width);
  const rounds = !(vertical.isEnlarged && horizontal.isEnlarged);
  const result = new Uint8Array(region.height * region.width * kept);
  const shrunk = new Float64Array(horizontal.shrunk * kept);
  for (const { row, values } of filteredRows(picture, vertical)) {
    if (rounds) for (const [index, value] of values.entries()) values[index] = Math.round(value);
    shrinkRow(values, shrunk, horizontal.shrink, kept);
    for (const [column, { start, weights }] of horizontal.taps.entries()) {
      for (let channel = 0; channel < kept; channel++) {
        let sum = 0;
        for (let tap = 0; tap < weights.length; tap++) sum += weights[tap]! * shrunk[(start + tap) * kept + channel]!;
        result[(row * region.width + column) * kept + channel] = Math.round(sum);
      }
    }
  }
  return result;
}

/** The rows of the result, as wide as the picture, from top to bottom; `values` is used again. */
function* filteredRows(
  picture: PixelRows,
  { shrink, shrunk, taps }: Axis,
): Generator<{ readonly row: number; readonly values: Float64Array }> {
  const size = picture.width * picture.kept;
  const values = new Float64Array(size);
  /** Rows of the averaged picture that are still needed, by their place. */
  const known = new Map<number, Float64Array>();
  let next = 0;
  for (const [row, { start, weights }] of taps.entries()) {
    for (const place of known.keys()) if (place < start) known.delete(place);
    const end = start + weights.length;
    while (next < end) {
      const to = Math.min(shrunk, next + Math.max(1, Math.floor(STRIP / shrink)));
      for (const averaged of shrunkRows(picture, shrink, next, to)) {
        if (next >= start) known.set(next, averaged);
        next++;
      }
    }
    values.fill(0);
    for (const [tap, weight] of weights.entries()) {
      const source = known.get(start + tap)!;
      for (let index = 0; index < size; index++) values[index]! += weight * source[index]!;
    }
    yield { row, values };
  }
}

/** Rows `from` up to `to` of the picture with blocks of `shrink` rows averaged. */
function* shrunkRows(picture: PixelRows, shrink: number, from: number, to: number): Generator<Float64Array> {
  const { width, height, channels, kept } = picture;
  const end = Math.min(height, to * shrink);
  const pixels = picture.rows(from * shrink, end);
  for (let row = from; row < to; row++) {
    const averaged = new Float64Array(width * kept);
    for (let of = 0; of < shrink; of++) {
      const start = (Math.min(height - 1, row * shrink + of) - from * shrink) * width * channels;
      for (let x = 0; x < width; x++)
        for (let channel = 0; channel < kept; channel++)
          averaged[x * kept + channel]! += pixels[start + x * channels + channel]!;
    }
    if (shrink > 1)
      for (let index = 0; index < averaged.length; index++) averaged[index] = average(averaged[index]!, shrink);
    yield averaged;
  }
}

/** As libvips rounds it: the reciprocal has 24 bits, so that 2 of 3 is 0. */
function average(sum: number, count: number): number {
  return Math.floor(((sum + (count >> 1)) * Math.floor(2 ** 24 / count)) / 2 ** 24);
}

/** Averages blocks of `shrink` pixels of a row. */
function shrinkRow(values: Float64Array, shrunk: Float64Array, shrink: number, kept: number): void {
  if (shrink === 1) {
    shrunk.set(values);
    return;
  }
  const last = values.length / kept - 1;
  for (let place = 0; place < shrunk.length / kept; place++) {
    for (let channel = 0; channel < kept; channel++) {
      let sum = 0;
      for (let of = 0; of < shrink; of++) sum += values[Math.min(last, place * shrink + of) * kept + channel]!;
      shrunk[place * kept + channel] = average(sum, shrink);
    }
  }
}
