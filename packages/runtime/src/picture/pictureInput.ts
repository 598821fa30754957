/** Pictures as a network takes them. */
import { InputError } from '../errors.js';
import type { PictureManifest } from '../manifest.js';
import { centreGeometry } from './geometry.js';
import { greyOfRgb } from './grey.js';
import type { RawPicture } from './rawPicture.js';
import { resize, type PixelRows } from './resize.js';

/** What pixels are asked for: all of a picture, or a strip at a time where it is large. */
export type PictureSource = Omit<PixelRows, 'kept'>;

export function rowsOf({ data, width, height, channels }: RawPicture): PictureSource {
  const size = width * channels;
  return { width, height, channels, rows: (from, to) => data.subarray(from * size, to * size) };
}

/**
 * Resized and cropped as in evaluation, grey or RGB as the network wants, `(pixel / 255 − mean) / std`:
 * [channels, height, width].
 *
 * @throws InputError where the network takes neither grey pictures nor RGB
 */
export function pictureInput(picture: PictureSource, input: PictureManifest['picture']): Float32Array {
  const { channels, height, width, mean, std, cropFraction } = input;
  if (channels !== 1 && channels !== 3)
    throw new InputError(`the network takes ${channels} channels; pictures have 1 (grey) or 3 (RGB)`);
  const kept = picture.channels === 1 ? 1 : 3;
  const resized = resize({ ...picture, kept }, centreGeometry(picture, input, cropFraction));
  const pixels = channels === 1 && kept === 3 ? greyOfRgb(resized) : resized;
  // A grey picture has the same value in all channels.
  const step = kept === 1 || channels === 1 ? 1 : 3;
  const size = height * width;
  const values = new Float32Array(channels * size);
  for (let channel = 0; channel < channels; channel++) {
    const first = step === 1 ? 0 : channel;
    const table = Float32Array.from({ length: 256 }, (_, pixel) => (pixel / 255 - mean[channel]!) / std[channel]!);
    for (let place = 0; place < size; place++) values[channel * size + place] = table[pixels[place * step + first]!]!;
  }
  return values;
}
