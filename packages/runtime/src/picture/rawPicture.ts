/** Decoded pictures. */
import { InputError } from '../errors.js';

/** Pixels of 8 bits, upright, row after row, the channels of a pixel beside each other; alpha is dropped. */
export interface RawPicture {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  /** Grey, RGB or RGBA. */
  readonly channels: 1 | 3 | 4;
}

/** Pixels of the largest picture that is decoded. */
export const MAX_PICTURE_PIXELS = 2 ** 26;

const MAX_ASPECT_RATIO = 10_000;

/**
 * Checks what a picture says of itself.
 *
 * @param name what messages call it
 * @throws InputError where nothing can be made of it
 */
export function checkSize({ width, height }: { readonly width: number; readonly height: number }, name: string): void {
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0))
    throw new InputError(`${name} has ${width}×${height} pixels, expected at least one`);
  if (width * height > MAX_PICTURE_PIXELS)
    throw new InputError(
      `${name}: ${width}×${height} pixels are more than the ${MAX_PICTURE_PIXELS} that are decoded; make it smaller`,
    );
  if (Math.max(width, height) > MAX_ASPECT_RATIO * Math.min(width, height))
    throw new InputError(`${name}: ${width}×${height}: one side is more than ${MAX_ASPECT_RATIO} times the other`);
}

/** @throws InputError where data and size contradict each other */
export function checkRaw(picture: RawPicture, name: string): RawPicture {
  checkSize(picture, name);
  const { data, width, height, channels } = picture;
  if (!((data as unknown) instanceof Uint8Array || (data as unknown) instanceof Uint8ClampedArray))
    throw new InputError(
      `${name} has pixels of another type, expected Uint8Array or Uint8ClampedArray with values from 0 to 255`,
    );
  if (!([1, 3, 4] as readonly number[]).includes(channels))
    throw new InputError(`${name} has ${channels} channels, expected 1 (grey), 3 (RGB) or 4 (RGBA)`);
  if (data.length !== width * height * channels)
    throw new InputError(
      `${name} has ${data.length} values, expected ${width * height * channels}: ${width}×${height}×${channels}`,
    );
  return picture;
}
