/** Pictures decoded by the browser, as training decodes them. */
import { InputError } from '../errors.js';
import { checkFormat, HEAD_BYTES } from '../picture/pictureFormat.js';
import { rowsOf, type PictureSource } from '../picture/pictureInput.js';
import { checkRaw, checkSize, type RawPicture } from '../picture/rawPicture.js';
import { rgbOfPng } from './png.js';

/** What a worker can be sent. */
export type WebPicture = RawPicture | ImageData | ImageBitmap | Blob;

type Decoded = PictureSource & { close(): void };

const formats = ['JPEG', 'PNG', 'WebP', 'GIF', 'AVIF'] as const;

/** No profile is applied, and alpha changes no colour, as in training. */
const decoding = { imageOrientation: 'from-image', colorSpaceConversion: 'none', premultiplyAlpha: 'none' } as const;

/** Pixels of a strip of rows: what is drawn at once. */
const STRIP_PIXELS = 2 ** 22;

export async function decodeWebPicture(picture: WebPicture): Promise<Decoded> {
  if (picture instanceof Blob) return await decodeFile(picture);
  if (picture instanceof ImageBitmap) return await drawn(picture, 'the picture');
  const channels = 'channels' in picture ? picture.channels : 4;
  const { data, width, height } = picture;
  const bytes = data;
  return { ...rowsOf(checkRaw({ data: bytes, width, height, channels }, 'the picture')), close: () => undefined };
}

async function decodeFile(file: Blob): Promise<Decoded> {
  const name = file instanceof File && file.name !== '' ? file.name : 'the picture';
  const head = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
  const format = checkFormat(head, formats, name);
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file, decoding);
  } catch (cause) {
    throw new InputError(`${name} is damaged, cut off or too large for this browser; get the picture again`, { cause });
  }
  return await drawn(bitmap, name, format === 'PNG' ? file : null);
}

/**
 * By a canvas, which keeps no colour where a picture is transparent: there a PNG is decoded here. Others, which are
 * hardly ever transparent, become black where they are wholly so.
 *
 * @param png the file, where it is one
 */
async function drawn(bitmap: ImageBitmap, name: string, png: Blob | null = null): Promise<Decoded> {
  const { width, height } = bitmap;
  try {
    checkSize(bitmap, name);
  } catch (error) {
    bitmap.close();
    throw error;
  }
  const rowsAtOnce = Math.max(1, Math.min(height, Math.floor(STRIP_PIXELS / width)));
  const context = new OffscreenCanvas(width, rowsAtOnce).getContext('2d', { willReadFrequently: true });
  if (!context) throw new InputError(`${name}: there is not enough memory for ${width}×${height} pixels`);
  const read = (from: number, to: number): Uint8ClampedArray => {
    context.clearRect(0, 0, width, rowsAtOnce);
    context.drawImage(bitmap, 0, -from);
    return context.getImageData(0, 0, width, to - from).data;
  };
  if (png && isTransparent(read, height, rowsAtOnce)) {
    const decoded = await rgbOfPng(new Uint8Array(await png.arrayBuffer()));
    // One that is turned is left to the canvas.
    if (decoded.width === width && decoded.height === height) {
      bitmap.close();
      return { ...rowsOf(decoded), close: () => undefined };
    }
  }
  let strip: { readonly from: number; readonly to: number; readonly data: Uint8ClampedArray } = {
    from: 0,
    to: 0,
    data: new Uint8ClampedArray(),
  };
  return {
    width,
    height,
    channels: 4,
    rows: (from, to) => {
      if (from < strip.from || to > strip.to) {
        const end = Math.min(height, Math.max(to, from + rowsAtOnce));
        strip = { from, to: end, data: read(from, end) };
      }
      return strip.data.subarray(4 * width * (from - strip.from), 4 * width * (to - strip.from));
    },
    close: () => {
      bitmap.close();
    },
  };
}

function isTransparent(
  read: (from: number, to: number) => Uint8ClampedArray,
  height: number,
  rowsAtOnce: number,
): boolean {
  for (let from = 0; from < height; from += rowsAtOnce) {
    const data = read(from, Math.min(height, from + rowsAtOnce));
    for (let alpha = 3; alpha < data.length; alpha += 4) if (data[alpha]! < 255) return true;
  }
  return false;
}
